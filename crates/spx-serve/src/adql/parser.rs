//! From tokens to a SELECT as it was written.

use super::lexer::{Token, What, tokens};
use super::{AdqlError, fail};
use crate::table::Value;

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Select {
    pub(super) distinct: bool,
    pub(super) top: Option<usize>,
    pub(super) items: Vec<Item>,
    pub(super) from: Vec<Source>,
    pub(super) filter: Option<Expr>,
    pub(super) order: Vec<Order>,
}

/// What is selected.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// `*` or `a.*`
    All(Vec<String>),
    /// An expression with its alias.
    One(Expr, Option<String>),
}

/// A table in FROM, with the condition by which it is joined to those before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    /// Schema and table, or the table alone.
    pub(super) name: Vec<String>,
    pub(super) alias: Option<String>,
    pub(super) on: Option<Expr>,
    /// The columns of USING.
    pub(super) using: Vec<String>,
}

/// A key of ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) by: Expr,
    pub(super) descending: bool,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// An expression, a value or a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// A column with what stands before it.
    Column(Vec<String>),
    Literal(Value),
    /// A function by its upper-case name; `COUNT(*)` has no arguments.
    Call(String, Vec<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    /// The pattern, and whether letter case counts.
    Like(Box<Expr>, Box<Expr>, bool),
    IsNull(Box<Expr>),
}

/// Words that are no names of columns or aliases.
const RESERVED: [&str; 31] = [
    "SELECT", "TOP", "DISTINCT", "ALL", "FROM", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "NATURAL",
    "CROSS", "ON", "USING", "WHERE", "AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ILIKE", "IS", "NULL",
    "AS", "ORDER", "GROUP", "HAVING", "UNION", "OFFSET",
];

/// Conditions nested deeper than this are refused, lest they exhaust the stack.
const MAX_DEPTH: usize = 200;

/// Parses one query.
pub(super) fn parse(text: &str) -> Result<Select, AdqlError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let select = parser.select()?;
    parser.sign(";");
    match parser.peek() {
        What::End => Ok(select),
        _ => parser.unexpected("the end of the query"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &What {
        self.tokens.get(self.at).map_or(&What::End, |t| &t.what)
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        let token = self.tokens.get(self.at + ahead).map(|t| &t.what);
        matches!(token, Some(What::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    /// Takes the word if it comes next.
    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    /// Takes the sign if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), What::Sign(s) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), AdqlError> {
        if self.word(word) { Ok(()) } else { self.unexpected(word) }
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), AdqlError> {
        if self.sign(sign) { Ok(()) } else { self.unexpected(&format!("`{sign}`")) }
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, AdqlError> {
        let found = match self.peek() {
            What::Word(w) | What::Quoted(w) => format!("`{w}`"),
            What::Integer(v) => format!("`{v}`"),
            What::Real(v) => format!("`{v}`"),
            What::Text(t) => format!("'{t}'"),
            What::Sign(s) => format!("`{s}`"),
            What::End => return fail(format!("the query ends where {expected} is expected")),
        };
        let at = self.tokens.get(self.at).map_or(0, |t| t.at + 1);
        fail(format!("{found} at position {at}, where {expected} is expected"))
    }

    fn select(&mut self) -> Result<Select, AdqlError> {
        self.expect_word("SELECT")?;
        let distinct = self.word("DISTINCT");
        self.word("ALL");
        let top = if self.word("TOP") { Some(self.count()?) } else { None };
        let mut items = vec![self.item()?];
        while self.sign(",") {
            items.push(self.item()?);
        }
        self.expect_word("FROM")?;
        let from = self.from()?;
        let filter = if self.word("WHERE") { Some(self.condition()?) } else { None };
        for word in ["GROUP", "HAVING", "UNION", "OFFSET"] {
            if self.is_word(0, word) {
                return fail(format!("{word} is not supported"));
            }
        }
        let order = self.order()?;
        Ok(Select { distinct, top, items, from, filter, order })
    }

    fn count(&mut self) -> Result<usize, AdqlError> {
        if let What::Integer(v) = *self.peek()
            && let Ok(count) = usize::try_from(v)
        {
            self.at += 1;
            return Ok(count);
        }
        self.unexpected("a number of rows")
    }

    fn item(&mut self) -> Result<Item, AdqlError> {
        if self.sign("*") {
            return Ok(Item::All(Vec::new()));
        }
        let start = self.at;
        if let Ok(name) = self.name_parts()
            && self.sign(".")
            && self.sign("*")
        {
            return Ok(Item::All(name));
        }
        self.at = start;
        let expr = self.value()?;
        Ok(Item::One(expr, self.alias()?))
    }

    /// `AS name`, or a name alone.
    fn alias(&mut self) -> Result<Option<String>, AdqlError> {
        if self.word("AS") {
            return self.name().map(Some);
        }
        let start = self.at;
        Ok(self.name().ok().or_else(|| {
            self.at = start;
            None
        }))
    }

    fn name(&mut self) -> Result<String, AdqlError> {
        let name = match self.peek() {
            What::Word(w) if !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(w)) => w.clone(),
            What::Quoted(w) => w.clone(),
            _ => return self.unexpected("a name"),
        };
        self.at += 1;
        Ok(name)
    }

    /// `a`, `a.b`, `a.b.c`; a full stop before something else is left.
    fn name_parts(&mut self) -> Result<Vec<String>, AdqlError> {
        let mut parts = vec![self.name()?];
        while self.sign(".") {
            if matches!(self.peek(), What::Sign("*")) {
                self.at -= 1;
                break;
            }
            parts.push(self.name()?);
        }
        Ok(parts)
    }

    fn from(&mut self) -> Result<Vec<Source>, AdqlError> {
        let mut from = vec![self.source()?];
        loop {
            if self.sign(",") {
                from.push(self.source()?);
                continue;
            }
            for word in ["LEFT", "RIGHT", "FULL", "NATURAL", "CROSS"] {
                if self.is_word(0, word) {
                    return fail(format!("{word} JOIN is not supported"));
                }
            }
            let inner = self.word("INNER");
            if !self.word("JOIN") {
                return if inner { self.unexpected("JOIN") } else { Ok(from) };
            }
            let mut source = self.source()?;
            if self.word("USING") {
                self.expect_sign("(")?;
                source.using.push(self.name()?);
                while self.sign(",") {
                    source.using.push(self.name()?);
                }
                self.expect_sign(")")?;
            } else {
                self.expect_word("ON")?;
                source.on = Some(self.condition()?);
            }
            from.push(source);
        }
    }

    fn source(&mut self) -> Result<Source, AdqlError> {
        if matches!(self.peek(), What::Sign("(")) {
            return fail("subqueries are not supported");
        }
        let name = self.name_parts()?;
        Ok(Source { name, alias: self.alias()?, on: None, using: Vec::new() })
    }

    fn order(&mut self) -> Result<Vec<Order>, AdqlError> {
        let mut order = Vec::new();
        if !self.word("ORDER") {
            return Ok(order);
        }
        self.expect_word("BY")?;
        loop {
            let by = self.value()?;
            let descending = self.word("DESC");
            if !descending {
                self.word("ASC");
            }
            order.push(Order { by, descending });
            if !self.sign(",") {
                return Ok(order);
            }
        }
    }

    fn condition(&mut self) -> Result<Expr, AdqlError> {
        let mut terms = vec![self.conjunction()?];
        while self.word("OR") {
            terms.push(self.conjunction()?);
        }
        Ok(balanced(terms, Expr::Or))
    }

    fn conjunction(&mut self) -> Result<Expr, AdqlError> {
        let mut terms = vec![self.negation()?];
        while self.word("AND") {
            terms.push(self.negation()?);
        }
        Ok(balanced(terms, Expr::And))
    }

    fn negation(&mut self) -> Result<Expr, AdqlError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return fail("the condition is nested too deeply");
        }
        let condition = if self.word("NOT") {
            self.negation().map(|inner| Expr::Not(Box::new(inner)))
        } else {
            self.predicate()
        };
        self.depth -= 1;
        condition
    }

    /// A comparison, or a condition in parentheses: which of them can only be seen behind the
    /// closing one.
    fn predicate(&mut self) -> Result<Expr, AdqlError> {
        if self.sign("(") {
            let inner = self.condition()?;
            self.expect_sign(")")?;
            return if is_value(&inner) { self.test(inner) } else { Ok(inner) };
        }
        let left = self.value()?;
        // Inside parentheses a value may stand alone; elsewhere binding refuses it.
        if matches!(self.peek(), What::Sign(")")) { Ok(left) } else { self.test(left) }
    }

    /// What follows the left side of a comparison.
    fn test(&mut self, left: Expr) -> Result<Expr, AdqlError> {
        let left = Box::new(left);
        if self.word("IS") {
            let not = self.word("NOT");
            self.expect_word("NULL")?;
            return Ok(negate(Expr::IsNull(left), not));
        }
        let not = self.word("NOT");
        if self.word("BETWEEN") {
            let low = self.value()?;
            self.expect_word("AND")?;
            let high = self.value()?;
            return Ok(negate(Expr::Between(left, Box::new(low), Box::new(high)), not));
        }
        if self.word("IN") {
            return Ok(negate(Expr::In(left, self.arguments()?), not));
        }
        for (word, case_counts) in [("LIKE", true), ("ILIKE", false)] {
            if self.word(word) {
                return Ok(negate(Expr::Like(left, Box::new(self.value()?), case_counts), not));
            }
        }
        if not {
            return self.unexpected("BETWEEN, IN or LIKE");
        }
        let Some(comparison) = self.comparison() else {
            return self.unexpected("a comparison");
        };
        Ok(Expr::Compare(comparison, left, Box::new(self.value()?)))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let What::Sign(sign) = self.peek() else { return None };
        let comparison = match *sign {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    /// A list in parentheses.
    fn arguments(&mut self) -> Result<Vec<Expr>, AdqlError> {
        self.expect_sign("(")?;
        if self.is_word(0, "SELECT") {
            return fail("subqueries are not supported");
        }
        let mut arguments = vec![self.value()?];
        while self.sign(",") {
            arguments.push(self.value()?);
        }
        self.expect_sign(")")?;
        Ok(arguments)
    }

    fn value(&mut self) -> Result<Expr, AdqlError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return fail("the expression is nested too deeply");
        }
        let value = self.primary()?;
        self.depth -= 1;
        if let What::Sign(sign @ ("+" | "-" | "*" | "/" | "||")) = self.peek() {
            return fail(format!("arithmetic (`{sign}`) is not supported"));
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Expr, AdqlError> {
        let negative = self.sign("-");
        if negative || self.sign("+") {
            return self.number(negative);
        }
        let literal = match self.peek() {
            What::Integer(v) => Value::Integer(*v),
            What::Real(v) => Value::Real(*v),
            What::Text(t) => Value::text(t),
            What::Word(w) if w.eq_ignore_ascii_case("NULL") => Value::Null,
            What::Word(_) | What::Quoted(_) => return self.column_or_call(),
            _ => return self.unexpected("a value"),
        };
        self.at += 1;
        Ok(Expr::Literal(literal))
    }

    /// A number behind a sign.
    fn number(&mut self, negative: bool) -> Result<Expr, AdqlError> {
        let value = match self.peek() {
            What::Integer(v) => Value::Integer(if negative { -*v } else { *v }),
            What::Real(v) => Value::Real(if negative { -*v } else { *v }),
            _ => return self.unexpected("a number"),
        };
        self.at += 1;
        Ok(Expr::Literal(value))
    }

    fn column_or_call(&mut self) -> Result<Expr, AdqlError> {
        let name = self.name_parts()?;
        if !matches!(self.peek(), What::Sign("(")) {
            return Ok(Expr::Column(name));
        }
        let [function] = name.as_slice() else {
            return fail(format!("there is no function {}", name.join(".")));
        };
        let function = function.to_ascii_uppercase();
        let start = self.at;
        self.at += 1;
        if function == "COUNT" && self.sign("*") {
            self.expect_sign(")")?;
            return Ok(Expr::Call(function, Vec::new()));
        }
        self.at = start;
        Ok(Expr::Call(function, self.arguments()?))
    }
}

/// Terms in their order as a tree of little depth, for everything that walks it does so by
/// recursion.
fn balanced(mut terms: Vec<Expr>, join: fn(Box<Expr>, Box<Expr>) -> Expr) -> Expr {
    while terms.len() > 1 {
        let mut pairs = terms.into_iter();
        let mut joined = Vec::new();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => join(Box::new(left), Box::new(right)),
                None => left,
            });
        }
        terms = joined;
    }
    terms.pop().unwrap_or(Expr::Literal(Value::Null))
}

fn negate(condition: Expr, not: bool) -> Expr {
    if not { Expr::Not(Box::new(condition)) } else { condition }
}

fn is_value(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_) | Expr::Literal(_) | Expr::Call(..))
}
