//! Text for people: numbers of a sensible length, and tables in columns.

use spx_core::elementary::log10;

/// How a column of a [`Table`] is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

/// Rows in aligned columns, two blanks apart.
pub(crate) struct Table<const N: usize> {
    align: [Align; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table whose first row are these names.
    pub(crate) fn new(columns: [(&str, Align); N]) -> Self {
        Self { align: columns.map(|(_, align)| align), rows: vec![columns.map(|(name, _)| name.to_owned())] }
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The table, each line after `indent`.
    pub(crate) fn render(&self, indent: &str) -> String {
        let mut width = [0; N];
        for row in &self.rows {
            width.iter_mut().zip(row).for_each(|(w, cell)| *w = (*w).max(cell.chars().count()));
        }
        let mut out = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .zip(width)
                .zip(self.align)
                .map(|((cell, width), align)| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                })
                .collect();
            out.push_str(format!("{indent}{}", cells.join("  ")).trim_end());
            out.push('\n');
        }
        out
    }
}

/// A number to four significant digits; `-` where there is none.
pub(crate) fn number(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(v) => {
            let magnitude = log10(v.abs()).floor();
            if (-4.0..7.0).contains(&magnitude) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
                let decimals = (3.0 - magnitude).max(0.0) as usize;
                format!("{v:.decimals$}")
            } else {
                format!("{v:.3e}")
            }
        }
    }
}

/// A share of a whole in percent: `12.34 %`.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.2} %", 100.0 * part as f64 / whole as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (-0.012_345_6, "-0.01235"),
            (123_456.0, "123456"),
            (1e9, "1.000e9"),
            (3e-7, "3.000e-7"),
            (f64::NAN, "-"),
        ];
        for (value, text) in cases {
            assert_eq!(number(Some(value)), text);
        }
        assert_eq!(number(None), "-");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new([("n", Align::Right), ("name", Align::Left)]);
        table.row(["10".into(), "µm".into()]);
        assert_eq!(table.render(" "), "  n  name\n 10  µm\n");
    }
}
