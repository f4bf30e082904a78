//! Pixels of a plane, in memory or as they stand in a FITS file.

use std::borrow::Cow;

/// A pixel of four bytes: `f32` or `i32`.
pub trait PlaneSample: Copy + Default + Send + Sync + 'static {
    /// From the bytes of a FITS file, the most significant first.
    fn from_fits(bytes: [u8; 4]) -> Self;
}

impl PlaneSample for f32 {
    #[inline(always)]
    fn from_fits(bytes: [u8; 4]) -> Self {
        Self::from_be_bytes(bytes)
    }
}

impl PlaneSample for i32 {
    #[inline(always)]
    fn from_fits(bytes: [u8; 4]) -> Self {
        Self::from_be_bytes(bytes)
    }
}

/// A pixel as it stands in memory: as it is, or as the bytes of a FITS file.
pub trait Stored<T>: Copy {
    /// The pixel.
    fn value(self) -> T;
}

impl<T: PlaneSample> Stored<T> for T {
    #[inline(always)]
    fn value(self) -> T {
        self
    }
}

impl<T: PlaneSample> Stored<T> for [u8; 4] {
    #[inline(always)]
    fn value(self) -> T {
        T::from_fits(self)
    }
}

/// Consecutive pixels.
#[derive(Debug, Clone, Copy)]
pub enum Pixels<'a, T> {
    /// In memory.
    Native(&'a [T]),
    /// As they stand in a FITS file: big-endian.
    Fits(&'a [[u8; 4]]),
}

impl<'a, T: PlaneSample> Pixels<'a, T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Native(values) => values.len(),
            Self::Fits(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them.
    ///
    /// # Panics
    /// Where there are fewer.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Native(values) => Self::Native(&values[range]),
            Self::Fits(bytes) => Self::Fits(&bytes[range]),
        }
    }

    /// One of them.
    ///
    /// # Panics
    /// Where there is none of that number.
    #[inline]
    pub fn get(&self, at: usize) -> T {
        match self {
            Self::Native(values) => values[at],
            Self::Fits(bytes) => T::from_fits(bytes[at]),
        }
    }

    /// All of them in memory, copied where they are not.
    pub fn to_native(&self) -> Cow<'a, [T]> {
        match self {
            Self::Native(values) => Cow::Borrowed(values),
            Self::Fits(bytes) => {
                let mut values = vec![T::default(); bytes.len()];
                self.copy_to(&mut values);
                Cow::Owned(values)
            }
        }
    }

    /// Copies all of them.
    ///
    /// # Panics
    /// Where `out` has another length.
    pub fn copy_to(&self, out: &mut [T]) {
        assert_eq!(self.len(), out.len(), "as many places as pixels");
        match self {
            Self::Native(values) => out.copy_from_slice(values),
            Self::Fits(bytes) => pulp::Arch::new().dispatch(FromFits { bytes, out }),
        }
    }
}

/// Turns bytes about, compiled for several instruction sets, of which the widest that the machine
/// has is run.
struct FromFits<'a, 'b, T> {
    bytes: &'a [[u8; 4]],
    out: &'b mut [T],
}

impl<T: PlaneSample> pulp::WithSimd for FromFits<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (out, bytes) in self.out.iter_mut().zip(self.bytes) {
            *out = T::from_fits(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_the_same_wherever_they_stand() {
        let values: Vec<f32> = (0..1000u16).map(|k| f32::from(k) - 31.25).chain([f32::NAN]).collect();
        let bytes: Vec<[u8; 4]> = values.iter().map(|v| v.to_be_bytes()).collect();
        let bits = |pixels: Pixels<'_, f32>| {
            let mut out = vec![0.0; pixels.len()];
            pixels.copy_to(&mut out);
            let got: Vec<f32> = (0..pixels.len()).map(|k| pixels.get(k)).collect();
            [out, got].map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        for range in [0..1001, 3..3, 17..950] {
            let native = bits(Pixels::Native(&values).slice(range.clone()));
            assert_eq!(native[0], native[1]);
            assert_eq!(native, bits(Pixels::Fits(&bytes).slice(range)));
        }
        assert_eq!(Pixels::<i32>::Fits(&[[0xff, 0xff, 0xff, 0xfe]]).get(0), -2);
    }
}
