//! Words, numbers, strings and signs of a query.

use super::{AdqlError, fail};

/// A token with the place where it begins, 0-based \[characters\].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) what: What,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A keyword or a name.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    Integer(i64),
    Real(f64),
    /// A string, its quotes taken off.
    Text(String),
    /// `,` `.` `(` `)` `*` `=` `<` `>` `<=` `>=` `<>` `!=` `+` `-` `/` `;`
    Sign(&'static str),
    End,
}

/// Signs, the longer ones first.
const SIGNS: [&str; 17] =
    ["<=", ">=", "<>", "!=", "||", ",", ".", "(", ")", "*", "=", "<", ">", "+", "-", "/", ";"];

/// Splits a query into tokens; comments (`--` to the end of the line) are left out.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, AdqlError> {
    let text: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { text: &text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let at = lexer.at;
        let what = lexer.next()?;
        let end = what == What::End;
        tokens.push(Token { at, what });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip_blanks(&mut self) {
        while self.at < self.text.len() {
            if self.peek(0) == '-' && self.peek(1) == '-' {
                while self.at < self.text.len() && self.peek(0) != '\n' {
                    self.at += 1;
                }
            } else if self.peek(0).is_whitespace() {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<What, AdqlError> {
        let first = self.peek(0);
        if self.at >= self.text.len() {
            return Ok(What::End);
        }
        if first.is_ascii_digit() || first == '.' && self.peek(1).is_ascii_digit() {
            return self.number();
        }
        if first.is_alphabetic() || first == '_' {
            return Ok(What::Word(self.take(|c| c.is_alphanumeric() || c == '_')));
        }
        if first == '\'' || first == '"' {
            let text = self.quoted(first)?;
            return Ok(if first == '"' { What::Quoted(text) } else { What::Text(text) });
        }
        let sign = SIGNS.into_iter().find(|s| s.chars().enumerate().all(|(k, c)| self.peek(k) == c));
        match sign {
            Some(sign) => {
                self.at += sign.len();
                Ok(What::Sign(sign))
            }
            None => fail(format!("unexpected character `{first}` at position {}", self.at + 1)),
        }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.at < self.text.len() && wanted(self.peek(0)) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn number(&mut self) -> Result<What, AdqlError> {
        let start = self.at;
        let mut text = self.take(|c| c.is_ascii_digit());
        let whole = self.peek(0) != '.' && !matches!(self.peek(0), 'e' | 'E');
        if self.peek(0) == '.' {
            self.at += 1;
            text = format!("{text}.{}", self.take(|c| c.is_ascii_digit()));
        }
        if matches!(self.peek(0), 'e' | 'E') {
            self.at += 1;
            let sign = self.take(|c| matches!(c, '+' | '-'));
            text = format!("{text}e{sign}{}", self.take(|c| c.is_ascii_digit()));
        }
        let what =
            if whole { text.parse().map(What::Integer).ok() } else { text.parse().map(What::Real).ok() };
        what.map_or_else(|| fail(format!("`{text}` at position {} is not a number", start + 1)), Ok)
    }

    /// A string in quotes, which are doubled inside.
    fn quoted(&mut self, quote: char) -> Result<String, AdqlError> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        while self.at < self.text.len() {
            let c = self.peek(0);
            self.at += 1;
            if c != quote {
                text.push(c);
            } else if self.peek(0) == quote {
                text.push(quote);
                self.at += 1;
            } else {
                return Ok(text);
            }
        }
        fail(format!("the {quote} at position {} is never closed", start + 1))
    }
}
