//! Spatial kernels: how an input pixel is shared among output pixels.

mod bilinear;
mod functions;
mod overlap;
mod spatial;
mod spread;

pub(crate) use bilinear::BilinearKernel;
pub(crate) use overlap::SquareKernel;
pub(crate) use spatial::{SpatialKernel, Visitor};
pub(crate) use spread::{GaussianKernel, LanczosKernel, PointKernel, TurboKernel};
