//! Bits of FLAGS.

pub(crate) const TRANSIENT: i32 = 1;
pub(crate) const SUR_ERROR: i32 = 1 << 2;
pub(crate) const NONFUNC: i32 = 1 << 6;
pub(crate) const HOT: i32 = 1 << 10;
pub(crate) const PERSIST: i32 = 1 << 17;
pub(crate) const OUTLIER: i32 = 1 << 19;
pub(crate) const SOURCE: i32 = 1 << 21;
