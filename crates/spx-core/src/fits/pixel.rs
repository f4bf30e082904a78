//! The types that images and columns are read into and written from.

use fitsio_sys as sys;

/// A number as CFITSIO reads and writes it: `u8`, `i16`, `u16`, `i32`, `u32`, `i64`, `f32`, `f64`.
///
/// A file may hold another type: CFITSIO converts, and reports an error where a value does not fit.
/// `u16` and `u32` are stored by the BZERO convention.
pub trait FitsNumber: Copy + Default + Send + Sync + 'static + sealed::Sealed {
    /// CFITSIO's code of this type in memory.
    #[doc(hidden)]
    const CODE: i32;
    /// CFITSIO's code of an image of this type: BITPIX, or for unsigned types a code of its own.
    #[doc(hidden)]
    const BITPIX: i32;
}

mod sealed {
    /// Keeps [`FitsNumber`](super::FitsNumber) to types whose size CFITSIO's code stands for; reading relies on it.
    pub trait Sealed {}
}

macro_rules! pixel {
    ($($t:ty, $code:ident, $bitpix:ident;)*) => {$(
        impl sealed::Sealed for $t {}
        impl FitsNumber for $t {
            #[expect(clippy::cast_possible_wrap, reason = "codes of C enumerations, all below 100")]
            #[allow(clippy::unnecessary_cast, reason = "negative codes are i32 already")]
            const CODE: i32 = sys::$code as i32;
            #[allow(clippy::cast_possible_wrap, reason = "codes of C enumerations, all below 100")]
            #[allow(clippy::unnecessary_cast, reason = "negative codes are i32 already")]
            const BITPIX: i32 = sys::$bitpix as i32;
        }
    )*};
}

pixel! {
    u8, TBYTE, BYTE_IMG;
    i16, TSHORT, SHORT_IMG;
    u16, TUSHORT, USHORT_IMG;
    i32, TINT, LONG_IMG;
    u32, TUINT, ULONG_IMG;
    i64, TLONGLONG, LONGLONG_IMG;
    f32, TFLOAT, FLOAT_IMG;
    f64, TDOUBLE, DOUBLE_IMG;
}
