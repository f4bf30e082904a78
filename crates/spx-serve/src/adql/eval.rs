//! Answering a query whose names are resolved.
//!
//! Conditions have three values, as in SQL: `None` is unknown, and a row is taken where the
//! condition is true.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::bind::{Bound, Place, Term, Test, Total, apply};
use super::parser::Comparison;
use super::{AdqlError, fail};
use crate::table::{Answer, Table, Value};

/// For each table of FROM the number of its row; shorter while the tables are being joined.
type Tuple = Vec<usize>;

/// Pairs of rows that a join may try.
const MOST_PAIRS: usize = 50_000_000;

/// Combinations of rows that a join may give.
const MOST_COMBINATIONS: usize = 2_000_000;

/// The rows of the answer, at most `limit`.
pub(super) fn run(query: &Bound<'_>, limit: usize) -> Result<Answer, AdqlError> {
    let tuples = selected(query)?;
    let columns = query.outputs.iter().map(|o| o.column.clone()).collect();
    if query.outputs.iter().any(|o| o.total.is_some()) {
        return Ok(Answer { columns, rows: vec![totals(query, &tuples)?], overflow: false });
    }
    let mut seen = HashSet::new();
    let mut keyed = Vec::with_capacity(tuples.len());
    for tuple in &tuples {
        let row: Vec<Value> =
            query.outputs.iter().map(|o| value(query, &o.term, tuple)).collect::<Result<_, _>>()?;
        if query.distinct && !seen.insert(format!("{row:?}")) {
            continue;
        }
        keyed.push((keys(query, &row, tuple)?, row));
    }
    keyed.sort_by(|(a, _), (b, _)| order(query, a, b));
    let mut rows: Vec<Vec<Value>> = keyed.into_iter().map(|(_, row)| row).collect();
    rows.truncate(query.top.unwrap_or(usize::MAX));
    let overflow = rows.len() > limit;
    rows.truncate(limit);
    Ok(Answer { columns, rows, overflow })
}

fn keys(query: &Bound<'_>, row: &[Value], tuple: &[usize]) -> Result<Vec<Value>, AdqlError> {
    let key = |place: &Place| match place {
        Place::Output(index) => Ok(row[*index].clone()),
        Place::Term(term) => value(query, term, tuple),
    };
    query.order.iter().map(|(place, _)| key(place)).collect()
}

/// Nulls come last, whatever the direction.
fn order(query: &Bound<'_>, a: &[Value], b: &[Value]) -> Ordering {
    for (k, (_, descending)) in query.order.iter().enumerate() {
        let ordering = match (&a[k], &b[k]) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Greater,
            (_, Value::Null) => Ordering::Less,
            (a, b) => {
                let ordering = a.compare(b).unwrap_or(Ordering::Equal);
                if *descending { ordering.reverse() } else { ordering }
            }
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

/// COUNT, MIN and MAX over all rows.
fn totals(query: &Bound<'_>, tuples: &[Tuple]) -> Result<Vec<Value>, AdqlError> {
    let mut row = Vec::new();
    for output in &query.outputs {
        let mut values = Vec::new();
        for tuple in tuples {
            values.push(value(query, &output.term, tuple)?);
        }
        values.retain(|v| *v != Value::Null);
        let compare = |a: &Value, b: &Value| a.compare(b).unwrap_or(Ordering::Equal);
        row.push(match output.total {
            Some(Total::Min) => values.into_iter().min_by(compare).unwrap_or(Value::Null),
            Some(Total::Max) => values.into_iter().max_by(compare).unwrap_or(Value::Null),
            Some(Total::Count) | None => Value::count(values.len() as u64),
        });
    }
    Ok(row)
}

/// The combinations of rows that fulfill all conditions.
fn selected(query: &Bound<'_>) -> Result<Vec<Tuple>, AdqlError> {
    let Some(first) = query.tables.first() else { return Ok(Vec::new()) };
    let mut tuples: Vec<Tuple> = (0..first.rows.len()).map(|row| vec![row]).collect();
    for (table, join) in query.tables[1..].iter().zip(&query.joins) {
        tuples = joined(query, &tuples, table, join.as_ref())?;
    }
    let Some(filter) = &query.filter else { return Ok(tuples) };
    let mut kept = Vec::new();
    for tuple in tuples {
        if truth(query, filter, &tuple)? == Some(true) {
            kept.push(tuple);
        }
    }
    Ok(kept)
}

/// Pairs each combination with the rows of one more table; an equality is looked up instead of
/// tried.
fn joined(
    query: &Bound<'_>,
    tuples: &[Tuple],
    table: &Table,
    join: Option<&Test>,
) -> Result<Vec<Tuple>, AdqlError> {
    let mut found = Vec::new();
    if let Some((left, column)) = equality(tuples.first().map_or(0, Vec::len), join) {
        let mut rows: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, row) in table.rows.iter().enumerate() {
            if row[column] != Value::Null {
                rows.entry(format!("{:?}", row[column])).or_default().push(number);
            }
        }
        for tuple in tuples {
            let key = format!("{:?}", value(query, &left, tuple)?);
            let matches = rows.get(&key).map_or(&[][..], Vec::as_slice);
            found.extend(matches.iter().map(|row| [tuple.as_slice(), &[*row]].concat()));
            check_combinations(&found)?;
        }
        return Ok(found);
    }
    if tuples.len().saturating_mul(table.rows.len()) > MOST_PAIRS {
        return fail(format!(
            "the join has more than {MOST_PAIRS} pairs of rows; give it a condition a.x = b.y"
        ));
    }
    for tuple in tuples {
        check_combinations(&found)?;
        for row in 0..table.rows.len() {
            let candidate = [tuple.as_slice(), &[row]].concat();
            let fits = match join {
                Some(test) => truth(query, test, &candidate)? == Some(true),
                None => true,
            };
            if fits {
                found.push(candidate);
            }
        }
    }
    Ok(found)
}

fn check_combinations(found: &[Tuple]) -> Result<(), AdqlError> {
    match found.len() > MOST_COMBINATIONS {
        true => fail(format!("the join gives more than {MOST_COMBINATIONS} rows")),
        false => Ok(()),
    }
}

/// `a.x = b.y` between an earlier table and the one with number `new`, both of one type.
fn equality(new: usize, join: Option<&Test>) -> Option<(Term, usize)> {
    let Some(Test::Compare(Comparison::Equal, Term::Cell(a, x), Term::Cell(b, y))) = join else {
        return None;
    };
    match (*a == new, *b == new) {
        (false, true) => Some((Term::Cell(*a, *x), *y)),
        (true, false) => Some((Term::Cell(*b, *y), *x)),
        _ => None,
    }
}

fn value(query: &Bound<'_>, term: &Term, tuple: &[usize]) -> Result<Value, AdqlError> {
    match term {
        Term::Cell(table, column) => Ok(query.tables[*table].rows[tuple[*table]][*column].clone()),
        Term::Literal(value) => Ok(value.clone()),
        Term::Call(function, args) => {
            let args: Vec<Value> = args.iter().map(|a| value(query, a, tuple)).collect::<Result<_, _>>()?;
            apply(*function, &args)
        }
    }
}

fn truth(query: &Bound<'_>, test: &Test, tuple: &[usize]) -> Result<Option<bool>, AdqlError> {
    let of = |term| value(query, term, tuple);
    Ok(match test {
        Test::Compare(how, a, b) => of(a)?.compare(&of(b)?).map(|ordering| holds(*how, ordering)),
        Test::Between(a, low, high) => {
            let a = of(a)?;
            let (low, high) = (a.compare(&of(low)?), a.compare(&of(high)?));
            and(low.map(Ordering::is_ge), high.map(Ordering::is_le))
        }
        Test::In(a, list) => {
            let a = of(a)?;
            let mut found = Some(false);
            for b in list {
                found = or(found, a.compare(&of(b)?).map(Ordering::is_eq));
            }
            found
        }
        Test::Like(a, pattern, case) => match (of(a)?, of(pattern)?) {
            (Value::Text(a), Value::Text(p)) if *case => Some(like(&a, &p)),
            (Value::Text(a), Value::Text(p)) => Some(like(&a.to_lowercase(), &p.to_lowercase())),
            _ => None,
        },
        Test::IsNull(a) => Some(of(a)? == Value::Null),
        Test::Not(a) => truth(query, a, tuple)?.map(|v| !v),
        Test::And(a, b) => match truth(query, a, tuple)? {
            Some(false) => Some(false),
            left => and(left, truth(query, b, tuple)?),
        },
        Test::Or(a, b) => match truth(query, a, tuple)? {
            Some(true) => Some(true),
            left => or(left, truth(query, b, tuple)?),
        },
    })
}

fn holds(how: Comparison, ordering: Ordering) -> bool {
    match how {
        Comparison::Equal => ordering.is_eq(),
        Comparison::Unequal => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterEqual => ordering.is_ge(),
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    and(a.map(|v| !v), b.map(|v| !v)).map(|v| !v)
}

/// `%` stands for any text, `_` for any one character.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // `open[k]`: the pattern so far can have consumed k characters.
    let mut open = vec![false; text.len() + 1];
    open[0] = true;
    for p in pattern {
        if p == '%' {
            let first = open.iter().position(|o| *o).unwrap_or(open.len());
            open.iter_mut().skip(first).for_each(|o| *o = true);
            continue;
        }
        for k in (0..text.len()).rev() {
            open[k + 1] = open[k] && (p == '_' || p == text[k]);
        }
        open[0] = false;
    }
    open.last().copied().unwrap_or(false)
}
