//! Figures beside what is demanded of them.

use std::fmt;

/// What is demanded of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// Nothing; it is only told.
    None,
    /// To lie within this distance of the value.
    Near(f64, f64),
    /// Not to exceed this.
    AtMost(f64),
    /// Not to fall below this.
    AtLeast(f64),
}

/// A measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthFigure {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its statistical error, one standard deviation; 0 where there is none.
    pub error: f64,
    /// What is demanded.
    pub demand: Demand,
}

impl TruthFigure {
    /// False where the figure fails the demand by more than two of its errors, or is no number.
    pub fn passes(&self) -> bool {
        let margin = 2.0 * self.error;
        match self.demand {
            Demand::None => true,
            Demand::Near(wanted, distance) => (self.value - wanted).abs() <= distance + margin,
            Demand::AtMost(limit) => self.value <= limit + margin,
            Demand::AtLeast(limit) => self.value >= limit - margin,
        }
    }
}

/// All figures of one measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TruthReport {
    /// In the order in which they were measured.
    pub figures: Vec<TruthFigure>,
}

impl TruthReport {
    pub(crate) fn add(&mut self, what: impl Into<String>, (value, error): (f64, f64), demand: Demand) {
        self.figures.push(TruthFigure { what: what.into(), value, error, demand });
    }

    /// Adds what another report says.
    pub fn extend(&mut self, other: Self) {
        self.figures.extend(other.figures);
    }

    /// True where every demand is met.
    pub fn passes(&self) -> bool {
        self.figures.iter().all(TruthFigure::passes)
    }
}

impl fmt::Display for TruthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.figures {
            let demand = match figure.demand {
                Demand::None => String::new(),
                Demand::Near(wanted, distance) => format!("{wanted} +- {distance}"),
                Demand::AtMost(limit) => format!("at most {limit}"),
                Demand::AtLeast(limit) => format!("at least {limit}"),
            };
            let verdict = match figure.demand {
                Demand::None => "    ",
                _ if figure.passes() => "PASS",
                _ => "FAIL",
            };
            let TruthFigure { what, value, error, .. } = figure;
            writeln!(f, "{verdict} {what:<66} {value:>+10.5} +- {error:.5}  {demand}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_fails_beyond_two_errors_of_its_demand_and_where_it_is_no_number() {
        let passes =
            |value, error, demand| TruthFigure { what: String::new(), value, error, demand }.passes();
        assert!(passes(1.004, 0.001, Demand::Near(1.0, 0.003)));
        assert!(!passes(1.004, 0.0001, Demand::Near(1.0, 0.003)));
        assert!(passes(0.011, 0.001, Demand::AtMost(0.01)) && !passes(0.013, 0.001, Demand::AtMost(0.01)));
        assert!(passes(0.98, 0.0, Demand::AtLeast(0.97)) && !passes(0.96, 0.0, Demand::AtLeast(0.97)));
        assert!(!passes(f64::NAN, 0.1, Demand::Near(0.0, 1.0)));
    }
}
