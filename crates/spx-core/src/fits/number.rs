//! Numbers as FITS files hold them (FITS Standard 4.0, sections 4.4.2 and 5): big-endian, scaled or
//! shifted, and their conversion from and to the types that callers ask for.

/// A number that images and columns are read into and written from: `u8`, `i16`, `u16`, `i32`,
/// `u32`, `i64`, `f32`, `f64`.
///
/// A file may hold another type: values are converted, fractions are cut off where an integer is
/// asked for, and a value that does not fit is an error. `u16` and `u32` are stored by the BZERO
/// convention.
pub trait FitsNumber: Copy + Default + Send + Sync + 'static + sealed::Sealed {
    /// BITPIX of an image of this type.
    #[doc(hidden)]
    const BITPIX: i32;
    /// BZERO of an image of this type.
    #[doc(hidden)]
    const ZERO: i64;
    /// What stands for an undefined value, in types that have such.
    #[doc(hidden)]
    const UNDEFINED: Option<Self>;
    #[doc(hidden)]
    fn from_integer(value: i64) -> Option<Self>;
    #[doc(hidden)]
    fn from_real(value: f64) -> Option<Self>;
    #[doc(hidden)]
    fn to_integer(self) -> Option<i64>;
    #[doc(hidden)]
    fn to_real(self) -> f64;
    /// Values of this type from their big-endian bytes, of which there are enough for all of `out`.
    #[doc(hidden)]
    fn from_bytes(bytes: &[u8], out: &mut [Self]);
    /// The opposite, appended.
    #[doc(hidden)]
    fn to_bytes(values: &[Self], out: &mut Vec<u8>);
}

mod sealed {
    /// Keeps [`FitsNumber`](super::FitsNumber) to the types that FITS knows.
    pub trait Sealed {}
}

macro_rules! bytes {
    () => {
        fn from_bytes(bytes: &[u8], out: &mut [Self]) {
            let (chunks, _) = bytes.as_chunks::<{ size_of::<Self>() }>();
            for (out, chunk) in out.iter_mut().zip(chunks) {
                *out = Self::from_be_bytes(*chunk);
            }
        }
        fn to_bytes(values: &[Self], out: &mut Vec<u8>) {
            out.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        }
    };
}

macro_rules! integers {
    ($($t:ty, $bitpix:literal, $zero:literal;)*) => {$(
        impl sealed::Sealed for $t {}
        impl FitsNumber for $t {
            const BITPIX: i32 = $bitpix;
            const ZERO: i64 = $zero;
            const UNDEFINED: Option<Self> = None;
            fn from_integer(value: i64) -> Option<Self> {
                Self::try_from(value).ok()
            }
            fn from_real(value: f64) -> Option<Self> {
                // Every type but i64 lies within f64 exactly; of i64 the limits are powers of two.
                let whole = value.trunc();
                let fits = whole >= Self::MIN as f64 && whole < Self::MAX as f64 + if $bitpix == 64 { 0.0 } else { 1.0 };
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
                fits.then_some(whole as Self)
            }
            #[allow(clippy::useless_conversion, reason = "of i64")]
            fn to_integer(self) -> Option<i64> {
                Some(self.into())
            }
            fn to_real(self) -> f64 {
                self as f64
            }
            bytes!();
        }
    )*};
}

integers! {
    u8, 8, 0;
    i16, 16, 0;
    u16, 16, 32_768;
    i32, 32, 0;
    u32, 32, 2_147_483_648;
    i64, 64, 0;
}

macro_rules! reals {
    ($($t:ty, $bitpix:literal;)*) => {$(
        impl sealed::Sealed for $t {}
        impl FitsNumber for $t {
            const BITPIX: i32 = $bitpix;
            const ZERO: i64 = 0;
            const UNDEFINED: Option<Self> = Some(Self::NAN);
            fn from_integer(value: i64) -> Option<Self> {
                Some(value as Self)
            }
            fn from_real(value: f64) -> Option<Self> {
                #[allow(clippy::cast_possible_truncation, reason = "rounded to the nearest f32")]
                let rounded = value as Self;
                (rounded.is_finite() || !value.is_finite()).then_some(rounded)
            }
            fn to_integer(self) -> Option<i64> {
                i64::from_real(self.into())
            }
            fn to_real(self) -> f64 {
                self.into()
            }
            bytes!();
        }
    )*};
}

reals! {
    f32, -32;
    f64, -64;
}

/// The type of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberType {
    U8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl NumberType {
    /// By BITPIX.
    pub(super) fn from_bitpix(bitpix: i64) -> Option<Self> {
        Some(match bitpix {
            8 => Self::U8,
            16 => Self::I16,
            32 => Self::I32,
            64 => Self::I64,
            -32 => Self::F32,
            -64 => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    pub(super) fn is_real(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// How numbers in a file stand for values: `value = scale * number + zero`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scaling {
    /// BSCALE, TSCALn or ZSCALE.
    pub(super) scale: f64,
    /// BZERO, TZEROn or ZZERO.
    pub(super) zero: f64,
    /// BLANK, TNULLn or ZBLANK: the integer that stands for an undefined value.
    pub(super) null: Option<i64>,
}

impl Scaling {
    pub(super) const NONE: Self = Self { scale: 1.0, zero: 0.0, null: None };

    /// Whether values are the numbers themselves, undefined ones left aside.
    pub(super) fn is_plain(&self) -> bool {
        self.scale == 1.0 && self.zero == 0.0
    }

    /// The shift of integers where they are shifted and not scaled.
    fn shift(&self) -> Option<i64> {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in the range")]
        (self.scale == 1.0 && self.zero.fract() == 0.0 && self.zero.abs() < 9e18).then_some(self.zero as i64)
    }

    /// The value for an integer of the file.
    pub(super) fn of_integer<T: FitsNumber>(&self, number: i64) -> Option<T> {
        if let Some(undefined) = T::UNDEFINED
            && self.null == Some(number)
        {
            return Some(undefined);
        }
        match self.shift().and_then(|shift| number.checked_add(shift)) {
            Some(value) => T::from_integer(value),
            None => T::from_real(number as f64 * self.scale + self.zero),
        }
    }
}

/// Values from big-endian numbers.
///
/// # Errors
/// The place of the first value that does not fit `T`.
pub(super) fn decode<T: FitsNumber>(
    bytes: &[u8],
    kind: NumberType,
    scaling: &Scaling,
    out: &mut [T],
) -> Result<(), usize> {
    let undefined = scaling.null.is_some() && T::UNDEFINED.is_some() && !kind.is_real();
    if scaling.is_plain()
        && !undefined
        && NumberType::from_bitpix(T::BITPIX.into()) == Some(kind)
        && T::ZERO == 0
    {
        T::from_bytes(bytes, out);
        return Ok(());
    }
    let real = |value: f64| match scaling.is_plain() {
        true => T::from_real(value),
        false => T::from_real(value * scaling.scale + scaling.zero),
    };
    match kind {
        NumberType::U8 => each(bytes, out, |[byte]| scaling.of_integer(byte.into())),
        NumberType::I16 => each(bytes, out, |bytes| scaling.of_integer(i16::from_be_bytes(bytes).into())),
        NumberType::I32 => each(bytes, out, |bytes| scaling.of_integer(i32::from_be_bytes(bytes).into())),
        NumberType::I64 => each(bytes, out, |bytes| scaling.of_integer(i64::from_be_bytes(bytes))),
        NumberType::F32 => each(bytes, out, |bytes| real(f32::from_be_bytes(bytes).into())),
        NumberType::F64 => each(bytes, out, |bytes| real(f64::from_be_bytes(bytes))),
    }
}

fn each<T, const N: usize>(
    bytes: &[u8],
    out: &mut [T],
    value: impl Fn([u8; N]) -> Option<T>,
) -> Result<(), usize> {
    for (k, (out, bytes)) in out.iter_mut().zip(bytes.as_chunks::<N>().0).enumerate() {
        *out = value(*bytes).ok_or(k)?;
    }
    Ok(())
}

/// Appends values as big-endian numbers of a type, `zero` subtracted.
///
/// # Errors
/// The place of the first value that does not fit the type.
pub(super) fn encode<T: FitsNumber>(
    values: &[T],
    kind: NumberType,
    zero: i64,
    out: &mut Vec<u8>,
) -> Result<(), usize> {
    if NumberType::from_bitpix(T::BITPIX.into()) == Some(kind) && T::ZERO == 0 && zero == 0 {
        T::to_bytes(values, out);
        return Ok(());
    }
    let integer = |value: T| value.to_integer().and_then(|value| value.checked_sub(zero));
    for (k, &value) in values.iter().enumerate() {
        let put = match kind {
            NumberType::U8 => integer(value).and_then(u8::from_integer).map(|v| out.push(v)),
            NumberType::I16 => {
                integer(value).and_then(i16::from_integer).map(|v| out.extend(v.to_be_bytes()))
            }
            NumberType::I32 => {
                integer(value).and_then(i32::from_integer).map(|v| out.extend(v.to_be_bytes()))
            }
            NumberType::I64 => integer(value).map(|v| out.extend(v.to_be_bytes())),
            NumberType::F32 => f32::from_real(value.to_real()).map(|v| out.extend(v.to_be_bytes())),
            NumberType::F64 => {
                out.extend(value.to_real().to_be_bytes());
                Some(())
            }
        };
        put.ok_or(k)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_integers_are_kept() {
        assert_eq!(u8::from_real(255.9), Some(255));
        assert_eq!(u8::from_real(256.0), None);
        assert_eq!(u8::from_real(-0.9), Some(0));
        assert_eq!(i16::from_real(f64::NAN), None);
        assert_eq!(i64::from_real(9.3e18), None);
        assert_eq!(i64::from_real(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        assert_eq!(f32::from_real(1e300), None);
        assert_eq!(f32::from_real(f64::INFINITY), Some(f32::INFINITY));
    }

    #[test]
    fn undefined_integers_become_nan_in_reals_only() {
        let scaling = Scaling { scale: 2.0, zero: 10.0, null: Some(-1) };
        let bytes: Vec<u8> = [-1i16, 3].iter().flat_map(|v| v.to_be_bytes()).collect();
        let mut reals = [0.0f32; 2];
        decode(&bytes, NumberType::I16, &scaling, &mut reals).unwrap();
        assert!(reals[0].is_nan() && reals[1] == 16.0);
        let mut integers = [0i32; 2];
        decode(&bytes, NumberType::I16, &scaling, &mut integers).unwrap();
        assert_eq!(integers, [8, 16]);
    }

    #[test]
    fn shifted_integers_keep_all_their_digits() {
        let scaling = Scaling { scale: 1.0, zero: 2_147_483_648.0, null: None };
        let mut out = [0u32; 2];
        let bytes = [i32::MIN, i32::MAX].map(i32::to_be_bytes).concat();
        decode(&bytes, NumberType::I32, &scaling, &mut out).unwrap();
        assert_eq!(out, [0, u32::MAX]);
        let mut back = Vec::new();
        encode(&out, NumberType::I32, u32::ZERO, &mut back).unwrap();
        assert_eq!(back, bytes);
        assert_eq!(encode(&[0.5f64, 3e10], NumberType::I32, 0, &mut back), Err(1));
    }
}
