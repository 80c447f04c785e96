//! Tokens into a tree.

use serde_json::Value;

use super::TemplateError;
use super::functions;
use super::lexer::{At, Piece, Token, pieces};

/// Deeper nesting than this isn't a format, and would exhaust the stack.
const MAX_DEPTH: usize = 64;

/// A part of a template.
#[derive(Debug, Clone)]
pub enum Node {
    Text(String),
    /// `{{pipeline}}`: printed.
    Print(Pipeline),
    /// `{{$x := pipeline}}` (`true`) or `{{$x = pipeline}}`.
    Set(String, bool, Pipeline),
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Option<String>, Pipeline, Vec<Node>, Vec<Node>),
    Range(Range),
    Break,
    Continue,
}

/// `{{range $key, $value := pipeline}}body{{else}}otherwise{{end}}`
#[derive(Debug, Clone)]
pub struct Range {
    pub key: Option<String>,
    pub value: Option<String>,
    pub over: Pipeline,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// Commands, each given its predecessor's result as the last argument.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub at: At,
    pub commands: Vec<Vec<Operand>>,
}

/// A word of a command.
#[derive(Debug, Clone)]
pub enum Operand {
    Function(String),
    /// Fields of dot; none for dot itself.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Literal(Value),
    /// `(pipeline).A.B`
    Parenthesis(Box<Pipeline>, Vec<String>),
}

/// Parses a whole template.
pub fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        pieces: pieces(text)?.into_iter(),
        at: At { line: 1, column: 0 },
        depth: 0,
    };
    match parser.block()? {
        (nodes, Ending::Text) => Ok(nodes),
        (_, Ending::End) => Err(parser.error("unexpected {{end}}")),
        (_, Ending::Else(_)) => Err(parser.error("unexpected {{else}}")),
    }
}

/// Whether one of `nodes` looks at field `name` of a dot or of `$`.
pub fn mentions(nodes: &[Node], name: &str) -> bool {
    let any = |nodes: &[Node]| mentions(nodes, name);
    nodes.iter().any(|node| match node {
        Node::Text(_) | Node::Break | Node::Continue => false,
        Node::Print(line) | Node::Set(_, _, line) => in_pipeline(line, name),
        Node::If(line, a, b) | Node::With(_, line, a, b) => {
            in_pipeline(line, name) || any(a) || any(b)
        }
        Node::Range(range) => {
            in_pipeline(&range.over, name) || any(&range.body) || any(&range.otherwise)
        }
    })
}

fn in_pipeline(pipeline: &Pipeline, name: &str) -> bool {
    pipeline.commands.iter().flatten().any(|word| match word {
        Operand::Field(names) | Operand::Variable(_, names) => {
            names.first().is_some_and(|first| first == name)
        }
        Operand::Parenthesis(inner, _) => in_pipeline(inner, name),
        Operand::Function(_) | Operand::Literal(_) => false,
    })
}

enum Ending {
    /// The template is over.
    Text,
    End,
    /// `{{else}}`, with what follows the word.
    Else(Vec<Token>),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    at: At,
    depth: usize,
}

impl Parser {
    fn error(&self, message: impl Into<String>) -> TemplateError {
        TemplateError {
            line: self.at.line,
            column: None,
            message: message.into(),
        }
    }

    fn block(&mut self) -> Result<(Vec<Node>, Ending), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text)),
                Piece::Action(at, tokens) => {
                    self.at = at;
                    match tokens.first() {
                        Some(Token::Word(word)) if word == "end" => {
                            return Ok((nodes, Ending::End));
                        }
                        Some(Token::Word(word)) if word == "else" => {
                            return Ok((nodes, Ending::Else(tokens[1..].to_vec())));
                        }
                        _ => nodes.push(self.action(tokens)?),
                    }
                }
            }
        }
        Ok((nodes, Ending::Text))
    }

    fn action(&mut self, mut tokens: Vec<Token>) -> Result<Node, TemplateError> {
        let word = match tokens.first() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" | "with" | "range" => {
                tokens.remove(0);
                self.control(&word, tokens)
            }
            "break" => Ok(Node::Break),
            "continue" => Ok(Node::Continue),
            "define" | "template" | "block" => {
                Err(self.error(format!("{{{{{word}}}}} can't be used in a format")))
            }
            _ => {
                if let [Token::Variable(name, fields), operator, rest @ ..] = tokens.as_slice()
                    && fields.is_empty()
                    && matches!(operator, Token::Declare | Token::Assign)
                {
                    let declares = *operator == Token::Declare;
                    let name = name.clone();
                    return Ok(Node::Set(name, declares, self.pipeline(rest)?));
                }
                Ok(Node::Print(self.pipeline(&tokens)?))
            }
        }
    }

    fn control(&mut self, word: &str, tokens: Vec<Token>) -> Result<Node, TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deep"));
        }
        let (variables, tokens) = declared(&tokens);
        let pipeline = self.pipeline(tokens)?;
        let (body, ending) = self.block()?;
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Text => return Err(self.error("unexpected EOF")),
            Ending::Else(rest) if rest.is_empty() => match self.block()? {
                (nodes, Ending::End) => nodes,
                _ => return Err(self.error("expected end; found {{else}} or EOF")),
            },
            // `{{else if x}}` is an if within the else, closed by the same end.
            Ending::Else(rest) => vec![self.action(rest)?],
        };
        self.depth -= 1;
        let mut variables = variables.into_iter();
        Ok(match word {
            "if" => Node::If(pipeline, body, otherwise),
            "with" => Node::With(variables.next(), pipeline, body, otherwise),
            _ => {
                let (first, second) = (variables.next(), variables.next());
                let (key, value) = match second {
                    Some(value) => (first, Some(value)),
                    None => (None, first),
                };
                Node::Range(Range {
                    key,
                    value,
                    over: pipeline,
                    body,
                    otherwise,
                })
            }
        })
    }

    fn pipeline(&mut self, tokens: &[Token]) -> Result<Pipeline, TemplateError> {
        let mut tokens = tokens.iter().peekable();
        let pipeline = self.commands(&mut tokens)?;
        match tokens.next() {
            None => Ok(pipeline),
            Some(Token::Close) => Err(self.error("unexpected right paren")),
            Some(token) => Err(self.error(format!("unexpected {token:?} in operand"))),
        }
    }

    /// Commands up to what can't belong to one: the end, or a closing parenthesis.
    fn commands(&mut self, tokens: &mut Tokens<'_>) -> Result<Pipeline, TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deep"));
        }
        let mut commands = vec![Vec::new()];
        while let Some(token) = tokens.next_if(|token| begins_operand(token)) {
            let operand = match token {
                Token::Word(name) if functions::is_known(name) => Operand::Function(name.clone()),
                Token::Word(name) => {
                    return Err(self.error(format!("function {name:?} not defined")));
                }
                Token::Field(names) => Operand::Field(names.clone()),
                Token::Variable(name, names) => Operand::Variable(name.clone(), names.clone()),
                Token::Literal(value) => Operand::Literal(value.clone()),
                Token::Open => self.parenthesis(tokens)?,
                _ => {
                    commands.push(Vec::new());
                    continue;
                }
            };
            if let Some(command) = commands.last_mut() {
                command.push(operand);
            }
        }
        self.depth -= 1;
        if commands.iter().any(Vec::is_empty) {
            return Err(self.error("missing value for command"));
        }
        Ok(Pipeline {
            at: self.at,
            commands,
        })
    }

    fn parenthesis(&mut self, tokens: &mut Tokens<'_>) -> Result<Operand, TemplateError> {
        let inner = self.commands(tokens)?;
        if tokens.next() != Some(&Token::Close) {
            return Err(self.error("unclosed left paren"));
        }
        let names = match tokens.next_if(|token| matches!(token, Token::Chain(_))) {
            Some(Token::Chain(names)) => names.clone(),
            _ => Vec::new(),
        };
        Ok(Operand::Parenthesis(Box::new(inner), names))
    }
}

type Tokens<'a> = std::iter::Peekable<std::slice::Iter<'a, Token>>;

/// Whether `token` goes on with a pipeline.
fn begins_operand(token: &Token) -> bool {
    !matches!(
        token,
        Token::Close | Token::Comma | Token::Declare | Token::Assign | Token::Chain(_)
    )
}

/// `$a, $b := rest`: the names, and the rest.
fn declared(tokens: &[Token]) -> (Vec<String>, &[Token]) {
    match tokens {
        [
            Token::Variable(a, fields),
            Token::Declare | Token::Assign,
            rest @ ..,
        ] if fields.is_empty() => (vec![a.clone()], rest),
        [
            Token::Variable(a, _),
            Token::Comma,
            Token::Variable(b, _),
            Token::Declare | Token::Assign,
            rest @ ..,
        ] => (vec![a.clone(), b.clone()], rest),
        _ => (Vec::new(), tokens),
    }
}
