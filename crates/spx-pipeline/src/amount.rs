//! Amounts and numbers as people read them.

use std::fmt;

/// `70.6 MB`, `2.15 GB`: powers of ten, as archives and disks count.
pub fn amount(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes:.0} bytes"),
        ..999.5e3 => format!("{:.0} kB", bytes / 1e3),
        ..999.95e6 => format!("{:.1} MB", bytes / 1e6),
        ..999.995e9 => format!("{:.2} GB", bytes / 1e9),
        _ => format!("{:.2} TB", bytes / 1e12),
    }
}

/// `1 image`, `2 images`.
pub fn counted<N: fmt::Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_unit_that_fits() {
        for (bytes, text) in [
            (0.0, "0 bytes"),
            (1234.0, "1 kB"),
            (999_600.0, "1.0 MB"),
            (70.6e6, "70.6 MB"),
            (2.148e9, "2.15 GB"),
            (1.726e12, "1.73 TB"),
        ] {
            assert_eq!(amount(bytes), text);
        }
        assert_eq!((counted(1_u64, "row"), counted(0_usize, "row")), ("1 row".into(), "0 rows".into()));
    }
}
