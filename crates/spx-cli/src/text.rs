//! Text for people: numbers of a sensible length, lines that fit a terminal, and tables in columns.

use spx_core::elementary::log10;

/// Characters to a line, as terminals have them at least.
const LINE: usize = 80;

/// A blank at which no line is broken.
pub(crate) const GLUE: &str = "\u{a0}";

/// Breaks a text at blanks into lines of so many characters; longer words stay whole, and [`GLUE`]
/// becomes a blank.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| line.replace(GLUE, " ")).collect()
}

/// A line `name  value` after `indent`, with names 12 characters wide; what does not fit the line
/// goes on below the value.
pub(crate) fn entry(indent: &str, name: &str, value: &str) -> String {
    let lines = wrap(value, LINE - 12 - indent.len());
    let lines = lines.iter().enumerate().map(|(k, line)| {
        let name = if k == 0 { name } else { "" };
        format!("{indent}{name:<12}{line}\n")
    });
    lines.collect()
}

/// How a column of a [`Table`] is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

/// Rows in aligned columns, two blanks apart. A cell may have several lines.
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
            let widest = |cell: &String| cell.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            width.iter_mut().zip(row).for_each(|(w, cell)| *w = (*w).max(widest(cell)));
        }
        let mut out = String::new();
        for row in &self.rows {
            let height = row.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1);
            for line in 0..height {
                let cells = row.iter().zip(width).zip(self.align).map(|((cell, width), align)| {
                    let cell = cell.lines().nth(line).unwrap_or_default();
                    match align {
                        Align::Left => format!("{cell:<width$}"),
                        Align::Right => format!("{cell:>width$}"),
                    }
                });
                out.push_str(format!("{indent}{}", cells.collect::<Vec<_>>().join("  ")).trim_end());
                out.push('\n');
            }
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

    #[test]
    fn long_values_go_on_below() {
        let value = "one two ".repeat(20);
        let text = entry("  ", "name", value.trim_end());
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with(&" ".repeat(14))), "{text}");
        assert_eq!(text.split_whitespace().skip(1).collect::<Vec<_>>().join(" "), value.trim_end());
        assert_eq!(wrap(&"x".repeat(90), 80), ["x".repeat(90)]);
        assert_eq!(wrap(&format!("one, two{GLUE}three"), 10), ["one,", "two three"]);
        assert_eq!(entry("", "empty", ""), "empty       \n");
    }

    #[test]
    fn cells_have_several_lines() {
        let mut table = Table::new([("a", Align::Left), ("b", Align::Right)]);
        table.row(["one\nthree".into(), "2".into()]);
        assert_eq!(table.render(""), "a      b\none    2\nthree\n");
    }
}
