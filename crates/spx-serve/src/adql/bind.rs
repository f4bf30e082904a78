//! From names to places: which table and column an expression means, and whether it makes sense.

use std::sync::Arc;

use super::parser::{Comparison, Expr, Item, Select, Source};
use super::{AdqlError, fail};
use crate::sphere::{Circle, Polygon, Region, direction};
use crate::table::{Column, Kind, Table, Value};

/// A query whose names are resolved.
pub(super) struct Bound<'a> {
    pub(super) tables: Vec<&'a Table>,
    /// The condition of each table but the first; `None` pairs every row.
    pub(super) joins: Vec<Option<Test>>,
    pub(super) filter: Option<Test>,
    pub(super) outputs: Vec<Output>,
    pub(super) order: Vec<(Place, bool)>,
    pub(super) distinct: bool,
    pub(super) top: Option<usize>,
}

/// A column of the answer.
pub(super) struct Output {
    pub(super) column: Column,
    pub(super) term: Term,
    pub(super) total: Option<Total>,
}

/// Functions of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Total {
    Count,
    Min,
    Max,
}

/// What rows are ordered by.
pub(super) enum Place {
    /// A column of the answer.
    Output(usize),
    /// Something that is not in the answer.
    Term(Term),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    /// Table and column.
    Cell(usize, usize),
    Literal(Value),
    Call(Function, Vec<Term>),
}

/// Functions of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Point,
    Circle,
    Polygon,
    Contains,
    Intersects,
    Distance,
    Lower,
    Upper,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Compare(Comparison, Term, Term),
    Between(Term, Term, Term),
    In(Term, Vec<Term>),
    Like(Term, Term, bool),
    IsNull(Term),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
}

struct Scope<'a> {
    tables: Vec<(&'a Table, &'a Source)>,
}

/// Resolves the names of a query.
pub(super) fn bind<'a>(tables: &'a [Table], select: &'a Select) -> Result<Bound<'a>, AdqlError> {
    let mut scope = Scope { tables: Vec::new() };
    let mut joins = Vec::new();
    for source in &select.from {
        scope.add(tables, source)?;
        if scope.tables.len() > 1 {
            joins.push(scope.join(source)?);
        }
    }
    let outputs = scope.outputs(&select.items)?;
    if outputs.iter().any(|o| o.total.is_some()) && !outputs.iter().all(|o| o.total.is_some()) {
        return fail("columns beside COUNT, MIN or MAX need GROUP BY, which is not supported");
    }
    let order = select
        .order
        .iter()
        .map(|key| Ok((scope.place(&key.by, &outputs)?, key.descending)))
        .collect::<Result<_, AdqlError>>()?;
    let filter = select.filter.as_ref().map(|f| scope.test(f)).transpose()?;
    let tables = scope.tables.iter().map(|(table, _)| *table).collect();
    Ok(Bound { tables, joins, filter, outputs, order, distinct: select.distinct, top: select.top })
}

impl<'a> Scope<'a> {
    fn add(&mut self, tables: &'a [Table], source: &'a Source) -> Result<(), AdqlError> {
        let name = full_name(&source.name);
        let table = tables.iter().find(|t| t.name.eq_ignore_ascii_case(&name));
        let Some(table) = table else {
            let known: Vec<&str> = tables.iter().map(|t| t.name.as_ref()).collect();
            return fail(format!("there is no table {name}; there are {}", known.join(", ")));
        };
        if self.tables.iter().any(|(_, other)| label(other).eq_ignore_ascii_case(label(source))) {
            return fail(format!("the name {} appears twice in FROM", label(source)));
        }
        self.tables.push((table, source));
        Ok(())
    }

    fn join(&self, source: &Source) -> Result<Option<Test>, AdqlError> {
        if let Some(on) = &source.on {
            return self.test(on).map(Some);
        }
        let mut test = None;
        for name in &source.using {
            let last = self.tables.len() - 1;
            let in_table = |at: usize| find(self.tables[at].0, name).map(|column| Term::Cell(at, column));
            let (Some(left), Some(right)) = ((0..last).find_map(in_table), in_table(last)) else {
                return fail(format!("USING ({name}): not in both tables"));
            };
            let equal = Test::Compare(Comparison::Equal, left, right);
            test = Some(match test {
                None => equal,
                Some(before) => Test::And(Box::new(before), Box::new(equal)),
            });
        }
        Ok(test)
    }

    fn outputs(&self, items: &[Item]) -> Result<Vec<Output>, AdqlError> {
        let mut outputs = Vec::new();
        for item in items {
            match item {
                Item::All(name) => self.all(name, &mut outputs)?,
                Item::One(expr, alias) => outputs.push(self.output(expr, alias.as_deref())?),
            }
        }
        Ok(outputs)
    }

    /// `*` or `a.*`
    fn all(&self, name: &[String], outputs: &mut Vec<Output>) -> Result<(), AdqlError> {
        let before = outputs.len();
        for (at, (table, source)) in self.tables.iter().enumerate() {
            if name.is_empty() || is_named(source, name) {
                outputs.extend(table.columns.iter().enumerate().map(|(k, column)| Output {
                    column: column.clone(),
                    term: Term::Cell(at, k),
                    total: None,
                }));
            }
        }
        if outputs.len() == before {
            return fail(format!("there is no table {} in FROM", name.join(".")));
        }
        Ok(())
    }

    fn output(&self, expr: &Expr, alias: Option<&str>) -> Result<Output, AdqlError> {
        let (total, term) = match expr {
            Expr::Call(name, args) if ["COUNT", "MIN", "MAX"].contains(&name.as_str()) => {
                let total = match name.as_str() {
                    "COUNT" => Total::Count,
                    "MIN" => Total::Min,
                    _ => Total::Max,
                };
                let term = match args.as_slice() {
                    [] => Term::Literal(Value::Integer(1)),
                    [one] => self.term(one)?,
                    _ => return fail(format!("{name} takes one argument")),
                };
                (Some(total), term)
            }
            _ => (None, self.term(expr)?),
        };
        let mut column = match (&term, total) {
            (Term::Cell(table, column), None | Some(Total::Min | Total::Max)) => {
                self.tables[*table].0.columns[*column].clone()
            }
            (_, Some(_)) => Column::of(format!("{total:?}").to_lowercase(), Kind::Long),
            _ => Column::of(name_of(expr), kind_of(&term)),
        };
        if let Some(alias) = alias {
            alias.clone_into(&mut column.name);
        }
        Ok(Output { column, term, total })
    }

    /// A key of ORDER BY: the number or the name of a column of the answer, or a column of a table.
    fn place(&self, expr: &Expr, outputs: &[Output]) -> Result<Place, AdqlError> {
        if let Expr::Literal(Value::Integer(number)) = expr {
            let index = usize::try_from(*number).ok().and_then(|n| n.checked_sub(1));
            return match index.filter(|k| *k < outputs.len()) {
                Some(index) => Ok(Place::Output(index)),
                None => fail(format!("ORDER BY {number}: there are {} columns", outputs.len())),
            };
        }
        if let Expr::Column(name) = expr
            && let [name] = name.as_slice()
            && let Some(index) = outputs.iter().position(|o| o.column.name.eq_ignore_ascii_case(name))
        {
            return Ok(Place::Output(index));
        }
        Ok(Place::Term(self.term(expr)?))
    }

    fn cell(&self, name: &[String]) -> Result<Term, AdqlError> {
        let Some((column, before)) = name.split_last() else { return fail("a name is missing") };
        let mut found = Vec::new();
        for (at, (table, source)) in self.tables.iter().enumerate() {
            if before.is_empty() || is_named(source, before) {
                found.extend(find(table, column).map(|k| Term::Cell(at, k)));
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => fail(self.unknown(column, before)),
            // A column that USING joins by is the same in both tables.
            [one, ..] if self.tables.iter().any(|(_, s)| s.using.iter().any(|u| u == column)) => {
                Ok(one.clone())
            }
            _ => fail(format!("the column {column} is in several tables: write which one")),
        }
    }

    fn unknown(&self, column: &str, before: &[String]) -> String {
        let tables: Vec<&str> = self
            .tables
            .iter()
            .filter(|(_, source)| before.is_empty() || is_named(source, before))
            .map(|(table, _)| table.name.as_ref())
            .collect();
        match tables.as_slice() {
            [] => format!("there is no table {} in FROM", before.join(".")),
            _ => format!("there is no column {column} in {}", tables.join(", ")),
        }
    }

    fn term(&self, expr: &Expr) -> Result<Term, AdqlError> {
        match expr {
            Expr::Literal(value) => Ok(Term::Literal(value.clone())),
            Expr::Column(name) => self.cell(name),
            Expr::Call(name, args) => self.call(name, args),
            _ => fail("a value is expected, not a condition"),
        }
    }

    fn call(&self, name: &str, args: &[Expr]) -> Result<Term, AdqlError> {
        let (function, counts) = match name {
            "POINT" => (Function::Point, 2..=2),
            "CIRCLE" => (Function::Circle, 2..=3),
            "POLYGON" => (Function::Polygon, 3..=2000),
            "CONTAINS" => (Function::Contains, 2..=2),
            "INTERSECTS" => (Function::Intersects, 2..=2),
            "DISTANCE" => (Function::Distance, 2..=4),
            "LOWER" => (Function::Lower, 1..=1),
            "UPPER" => (Function::Upper, 1..=1),
            _ => return fail(format!("the function {name} is not supported here")),
        };
        let mut args: Vec<Term> = args.iter().map(|a| self.term(a)).collect::<Result<_, _>>()?;
        let is_region = matches!(function, Function::Point | Function::Circle | Function::Polygon);
        if is_region && let Some(Term::Literal(Value::Text(frame))) = args.first() {
            check_frame(frame)?;
            args.remove(0);
        }
        if !counts.contains(&args.len()) {
            return fail(format!("{name} does not take {} arguments", args.len()));
        }
        if args.iter().all(|a| matches!(a, Term::Literal(_))) {
            let values: Vec<Value> = args
                .into_iter()
                .filter_map(|a| if let Term::Literal(value) = a { Some(value) } else { None })
                .collect();
            return apply(function, &values).map(Term::Literal);
        }
        Ok(Term::Call(function, args))
    }

    fn test(&self, expr: &Expr) -> Result<Test, AdqlError> {
        let pair = |a, b| Ok::<_, AdqlError>((Box::new(self.test(a)?), Box::new(self.test(b)?)));
        Ok(match expr {
            Expr::Compare(how, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                self.comparable(&a, &b)?;
                Test::Compare(*how, a, b)
            }
            Expr::Between(a, low, high) => {
                let terms = [self.term(a)?, self.term(low)?, self.term(high)?];
                self.comparable(&terms[0], &terms[1])?;
                self.comparable(&terms[0], &terms[2])?;
                let [a, low, high] = terms;
                Test::Between(a, low, high)
            }
            Expr::In(a, list) => {
                let a = self.term(a)?;
                let list: Vec<Term> = list.iter().map(|e| self.term(e)).collect::<Result<_, _>>()?;
                list.iter().try_for_each(|b| self.comparable(&a, b))?;
                Test::In(a, list)
            }
            Expr::Like(a, pattern, case) => Test::Like(self.term(a)?, self.term(pattern)?, *case),
            Expr::IsNull(a) => Test::IsNull(self.term(a)?),
            Expr::Not(a) => Test::Not(Box::new(self.test(a)?)),
            Expr::And(a, b) => pair(a, b).map(|(a, b)| Test::And(a, b))?,
            Expr::Or(a, b) => pair(a, b).map(|(a, b)| Test::Or(a, b))?,
            Expr::Column(_) | Expr::Literal(_) | Expr::Call(..) => {
                return fail("a condition is expected, such as CONTAINS(...) = 1");
            }
        })
    }

    /// Refuses to compare text with numbers, and regions at all.
    fn comparable(&self, a: &Term, b: &Term) -> Result<(), AdqlError> {
        let kind = |term: &Term| match term {
            Term::Cell(table, column) => Some(self.tables[*table].0.columns[*column].kind),
            Term::Literal(Value::Null) => None,
            other => Some(kind_of(other)),
        };
        let (Some(a), Some(b)) = (kind(a), kind(b)) else { return Ok(()) };
        let is_region = |kind| matches!(kind, Kind::Polygon | Kind::Region);
        if is_region(a) || is_region(b) {
            return fail("regions are compared by CONTAINS and INTERSECTS");
        }
        if (a == Kind::Text) != (b == Kind::Text) {
            return fail("a text cannot be compared with a number");
        }
        Ok(())
    }
}

/// The archive has the same tables under the name of the model that they follow, with those of all
/// missions.
fn full_name(parts: &[String]) -> String {
    let name = parts.join(".");
    let (schema, table) = name.split_once('.').unwrap_or(("", &name));
    let alias = schema.eq_ignore_ascii_case("caom") || name.eq_ignore_ascii_case("ivoa.obscore");
    if alias { format!("spherex.{table}") } else { name }
}

/// What a table of FROM is called.
fn label(source: &Source) -> &str {
    source.alias.as_deref().unwrap_or_else(|| source.name.last().map_or("", String::as_str))
}

/// By its alias, or by its name with or without the schema where it has no alias.
fn is_named(source: &Source, name: &[String]) -> bool {
    match (&source.alias, name) {
        (Some(alias), [one]) => alias.eq_ignore_ascii_case(one),
        (Some(_), _) => false,
        (None, [one]) => label(source).eq_ignore_ascii_case(one),
        (None, _) => source.name.join(".").eq_ignore_ascii_case(&name.join(".")),
    }
}

fn find(table: &Table, column: &str) -> Option<usize> {
    table.columns.iter().position(|c| c.name.eq_ignore_ascii_case(column))
}

fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Call(name, _) => name.to_lowercase(),
        _ => "value".to_owned(),
    }
}

fn kind_of(term: &Term) -> Kind {
    match term {
        Term::Literal(Value::Integer(_)) => Kind::Long,
        Term::Literal(Value::Text(_)) => Kind::Text,
        Term::Literal(Value::Region(_)) => Kind::Region,
        Term::Call(Function::Contains | Function::Intersects, _) => Kind::Int,
        Term::Call(Function::Lower | Function::Upper, _) => Kind::Text,
        Term::Call(Function::Point | Function::Circle | Function::Polygon, _) => Kind::Region,
        _ => Kind::Double,
    }
}

fn check_frame(frame: &str) -> Result<(), AdqlError> {
    let frame = frame.trim().to_ascii_uppercase();
    match frame.split_whitespace().next() {
        None | Some("ICRS" | "UNKNOWNFRAME") => Ok(()),
        Some(_) => fail(format!("the frame {frame} is not supported, only ICRS")),
    }
}

/// The value of a function; null where an argument is null.
pub(super) fn apply(function: Function, args: &[Value]) -> Result<Value, AdqlError> {
    if args.contains(&Value::Null) {
        return Ok(Value::Null);
    }
    let region = |region| Ok(Value::Region(Arc::new(region)));
    match (function, args) {
        (Function::Contains, [Value::Region(inner), Value::Region(outer)]) => {
            Ok(Value::Integer(i64::from(outer.contains(inner))))
        }
        (Function::Intersects, [Value::Region(a), Value::Region(b)]) => {
            Ok(Value::Integer(i64::from(a.intersects(b))))
        }
        (Function::Contains | Function::Intersects, _) => fail("CONTAINS and INTERSECTS take two regions"),
        (Function::Lower, [Value::Text(text)]) => Ok(Value::text(text.to_lowercase())),
        (Function::Upper, [Value::Text(text)]) => Ok(Value::text(text.to_uppercase())),
        (Function::Lower | Function::Upper, _) => fail("LOWER and UPPER take a text"),
        (Function::Distance, _) => distance(args),
        (Function::Point, _) => {
            let [ra, dec] = numbers(args)?[..] else { return fail("POINT takes two numbers") };
            region(Region::Point(direction(ra, dec).map_err(AdqlError)?))
        }
        (Function::Circle, [Value::Region(center), radius]) => circle_around(center, radius),
        (Function::Circle, _) => {
            let [ra, dec, radius] = numbers(args)?[..] else { return fail("CIRCLE takes three numbers") };
            region(Region::Circle(Circle::new(ra, dec, radius).map_err(AdqlError)?))
        }
        (Function::Polygon, _) => region(Region::Polygon(polygon(args)?)),
    }
}

fn circle_around(center: &Region, radius: &Value) -> Result<Value, AdqlError> {
    let Some([ra, dec]) = center.point() else { return fail("the center of CIRCLE must be a POINT") };
    let [radius] = numbers(std::slice::from_ref(radius))?[..] else { return fail("CIRCLE needs a radius") };
    Ok(Value::Region(Arc::new(Region::Circle(Circle::new(ra, dec, radius).map_err(AdqlError)?))))
}

/// Numbers in pairs, or points.
fn polygon(args: &[Value]) -> Result<Polygon, AdqlError> {
    let corners: Vec<[f64; 2]> = if args.iter().all(|a| matches!(a, Value::Region(_))) {
        let point = |a: &Value| if let Value::Region(r) = a { r.point() } else { None };
        args.iter()
            .map(|a| point(a).ok_or_else(|| AdqlError("the corners of POLYGON must be points".into())))
            .collect::<Result<_, _>>()?
    } else {
        let numbers = numbers(args)?;
        if numbers.len() % 2 == 1 {
            return fail("POLYGON takes an even number of coordinates");
        }
        numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
    };
    Polygon::new(&corners).map_err(AdqlError)
}

/// Between two points \[deg\].
fn distance(args: &[Value]) -> Result<Value, AdqlError> {
    let ends = match args {
        [Value::Region(a), Value::Region(b)] => a.point().zip(b.point()),
        [_, _, _, _] => numbers(args)?.try_into().ok().map(|[a, b, c, d]: [f64; 4]| ([a, b], [c, d])),
        _ => None,
    };
    let Some(([ra1, dec1], [ra2, dec2])) = ends else { return fail("DISTANCE takes two points") };
    let at = |ra, dec| direction(ra, dec).map_err(AdqlError);
    Ok(Value::Real(crate::sphere::angle(at(ra1, dec1)?, at(ra2, dec2)?).to_degrees()))
}

fn numbers(args: &[Value]) -> Result<Vec<f64>, AdqlError> {
    let number = |v: &Value| v.real().ok_or_else(|| AdqlError("a number is expected".into()));
    args.iter().map(number).collect()
}
