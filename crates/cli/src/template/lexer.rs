//! Template text into pieces: plain text, and the tokens of each `{{action}}`.

use serde_json::{Number, Value};

use super::TemplateError;

/// A position in the template, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub line: usize,
    /// In bytes from the line's start, as Go counts.
    pub column: usize,
}

/// One token of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A function's or a keyword's name.
    Word(String),
    /// `.` alone: no names. `.A.B`: two.
    Field(Vec<String>),
    /// `$x.A.B`; the name is without `$`.
    Variable(String, Vec<String>),
    /// `.A.B` directly behind `)`.
    Chain(Vec<String>),
    /// A text, number, `true`, `false` or `nil`.
    Literal(Value),
    Pipe,
    Open,
    Close,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Text(String),
    Action(At, Vec<Token>),
}

/// Splits `text`.
pub fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let lines = Lines::of(text);
    let mut pieces = Vec::new();
    let mut rest = 0;
    let mut trim_next = false;
    while let Some(found) = text[rest..].find("{{") {
        let open = rest + found;
        let mut plain = &text[rest..open];
        if trim_next {
            plain = plain.trim_start();
        }
        let mut begin = open + 2;
        let trims_left = text[begin..].starts_with('-')
            && text[begin + 1..].starts_with(|c: char| c.is_ascii_whitespace());
        if trims_left {
            plain = plain.trim_end();
            begin += 1;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_owned()));
        }
        let at = lines.at(begin);
        let inner = text[begin..].trim_start();
        if inner.starts_with("/*") {
            let from = text.len() - inner.len();
            let end = text[from..]
                .find("*/")
                .ok_or_else(|| error(at, "unclosed comment"))?;
            let tail = &text[from + end + 2..];
            let after = tail.trim_start();
            trim_next = after.starts_with("-}}") && tail.len() > after.len();
            let after = after.strip_prefix('-').unwrap_or(after);
            let after = after
                .strip_prefix("}}")
                .ok_or_else(|| error(at, "comment ends before closing delimiter"))?;
            rest = text.len() - after.len();
            continue;
        }
        let mut lexer = Lexer {
            text,
            lines: &lines,
            here: begin,
            tokens: Vec::new(),
        };
        trim_next = lexer.action()?;
        rest = lexer.here;
        pieces.push(Piece::Action(at, lexer.tokens));
    }
    let plain = &text[rest..];
    let plain = if trim_next { plain.trim_start() } else { plain };
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.to_owned()));
    }
    Ok(pieces)
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines(std::iter::once(0).chain(ends).collect())
    }

    fn at(&self, here: usize) -> At {
        let line = self.0.partition_point(|begin| *begin <= here);
        let begin = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        At {
            line,
            column: here - begin,
        }
    }
}

fn error(at: At, message: impl Into<String>) -> TemplateError {
    TemplateError {
        line: at.line,
        column: None,
        message: message.into(),
    }
}

struct Lexer<'a> {
    text: &'a str,
    lines: &'a Lines,
    here: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.here..]
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, TemplateError> {
        Err(error(self.lines.at(self.here), message))
    }

    /// Reads up to behind `}}`; whether the text behind it is to be trimmed.
    fn action(&mut self) -> Result<bool, TemplateError> {
        loop {
            let spaces = self.rest().len() - self.rest().trim_start().len();
            if spaces > 0 && self.rest().trim_start().starts_with("-}}") {
                self.here += spaces + 3;
                return Ok(true);
            }
            self.here += spaces;
            if self.rest().starts_with("}}") {
                self.here += 2;
                return Ok(false);
            }
            self.token(spaces == 0)?;
        }
    }

    fn token(&mut self, glued: bool) -> Result<(), TemplateError> {
        let Some(first) = self.rest().chars().next() else {
            return self.fail("unclosed action");
        };
        let token = match first {
            '|' => self.simple(1, Token::Pipe),
            '(' => self.simple(1, Token::Open),
            ')' => self.simple(1, Token::Close),
            ',' => self.simple(1, Token::Comma),
            '=' => self.simple(1, Token::Assign),
            ':' if self.rest().starts_with(":=") => self.simple(2, Token::Declare),
            '"' => Token::Literal(Value::String(self.quoted()?)),
            '`' => Token::Literal(Value::String(self.raw()?)),
            '$' => {
                self.here += 1;
                let name = self.name();
                Token::Variable(name, self.fields()?)
            }
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
            '.' => {
                let chained = glued && self.tokens.last() == Some(&Token::Close);
                let names = self.fields()?;
                if names.is_empty() {
                    self.here += 1;
                }
                if chained {
                    Token::Chain(names)
                } else {
                    Token::Field(names)
                }
            }
            c if c.is_ascii_digit() || c == '-' || c == '+' => self.number()?,
            c if c.is_alphabetic() || c == '_' => match self.name().as_str() {
                "true" => Token::Literal(Value::Bool(true)),
                "false" => Token::Literal(Value::Bool(false)),
                "nil" => Token::Literal(Value::Null),
                word => Token::Word(word.to_owned()),
            },
            other => return self.fail(format!("unexpected {other:?} in command")),
        };
        self.tokens.push(token);
        Ok(())
    }

    fn simple(&mut self, length: usize, token: Token) -> Token {
        self.here += length;
        token
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        self.here += end;
        name
    }

    /// `.A.B` from here on: none where a dot has no name behind it.
    fn fields(&mut self) -> Result<Vec<String>, TemplateError> {
        let mut names = Vec::new();
        while self.rest().starts_with('.')
            && self.rest()[1..].starts_with(|c: char| c.is_alphabetic() || c == '_')
        {
            self.here += 1;
            names.push(self.name());
        }
        Ok(names)
    }

    fn number(&mut self) -> Result<Token, TemplateError> {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|(at, c)| !(c.is_ascii_alphanumeric() || *c == '.' || *c == '_' || *at == 0))
            .map_or(rest.len(), |(at, _)| at);
        let text = rest[..end].replace('_', "");
        let number = if let Ok(whole) = text.parse::<i64>() {
            Some(Number::from(whole))
        } else if let Some(hex) = text.strip_prefix("0x") {
            i64::from_str_radix(hex, 16).ok().map(Number::from)
        } else {
            text.parse::<f64>().ok().and_then(Number::from_f64)
        };
        match number {
            Some(number) => {
                self.here += end;
                Ok(Token::Literal(Value::Number(number)))
            }
            None => self.fail(format!("bad number syntax: {text:?}")),
        }
    }

    fn raw(&mut self) -> Result<String, TemplateError> {
        match self.rest()[1..].find('`') {
            Some(end) => {
                let text = self.rest()[1..=end].to_owned();
                self.here += end + 2;
                Ok(text)
            }
            None => self.fail("unterminated raw quoted string"),
        }
    }

    fn quoted(&mut self) -> Result<String, TemplateError> {
        let mut out = String::new();
        let mut chars = self.rest()[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.here += at + 2;
                    return Ok(out);
                }
                '\n' => break,
                '\\' => {
                    let escaped = chars.next().map(|(_, c)| c);
                    let mut hex = |digits: usize| {
                        let text: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                        u32::from_str_radix(&text, 16).ok().and_then(char::from_u32)
                    };
                    let meant = match escaped {
                        Some('n') => Some('\n'),
                        Some('t') => Some('\t'),
                        Some('r') => Some('\r'),
                        Some(c @ ('"' | '\\' | '\'')) => Some(c),
                        Some('x') => hex(2),
                        Some('u') => hex(4),
                        Some('U') => hex(8),
                        _ => None,
                    };
                    match meant {
                        Some(c) => out.push(c),
                        None => return self.fail("invalid escape in quoted string"),
                    }
                }
                c => out.push(c),
            }
        }
        self.fail("unterminated quoted string")
    }
}
