//! Runs a parsed template over its data.

use serde_json::Value;

use super::functions;
use super::parser::{Node, Operand, Pipeline, Range};
use super::value::{field, print, truth, type_name};
use super::{Methods, Mode, TemplateError};

/// More output than this isn't a format's (nested ranges can multiply).
const MAX_OUTPUT: usize = 256 * 1024 * 1024;

/// The text for `data`.
pub fn render(
    nodes: &[Node],
    data: &Value,
    methods: &dyn Methods,
    mode: Mode,
) -> Result<String, TemplateError> {
    let mut run = Run {
        out: String::new(),
        root: data,
        methods,
        mode,
        variables: vec![(String::new(), Found::There(data.clone()))],
    };
    run.nodes(nodes, data)?;
    Ok(run.out)
}

/// A value, or the name of the field that wasn't there.
#[derive(Debug, Clone)]
enum Found {
    There(Value),
    Missing(String),
}

impl Found {
    fn is_true(&self) -> bool {
        matches!(self, Found::There(value) if truth(value))
    }
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    out: String,
    root: &'a Value,
    methods: &'a dyn Methods,
    mode: Mode,
    /// `$` itself is the one without a name.
    variables: Vec<(String, Found)>,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        let depth = self.variables.len();
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                self.variables.truncate(depth);
                return Ok(flow);
            }
        }
        self.variables.truncate(depth);
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Print(pipeline) => match self.pipeline(pipeline, dot)? {
                Found::There(Value::Null) | Found::Missing(_) if self.empty(pipeline).is_some() => {
                    self.out.push_str(self.empty(pipeline).unwrap_or_default());
                }
                Found::There(value) => {
                    self.out.push_str(&print(&value));
                    if self.out.len() > MAX_OUTPUT {
                        return Err(failed(pipeline, "the output is larger than 256 MiB"));
                    }
                }
                // As Go's: a column that has no header, an attribute that this event lacks.
                Found::Missing(_) if self.mode != Mode::Data => self.out.push_str("<no value>"),
                Found::Missing(name) => return Err(missing(pipeline, &name)),
            },
            Node::Set(name, declares, pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                let known = self
                    .variables
                    .iter_mut()
                    .rev()
                    .find(|(known, _)| known == name);
                match known {
                    Some((_, place)) if !declares => *place = value,
                    None if !declares => {
                        return Err(failed(pipeline, &format!("undefined variable: ${name}")));
                    }
                    _ => self.variables.push((name.clone(), value)),
                }
            }
            Node::If(pipeline, body, otherwise) => {
                let taken = self.pipeline(pipeline, dot)?.is_true();
                return self.nodes(if taken { body } else { otherwise }, dot);
            }
            Node::With(name, pipeline, body, otherwise) => match self.pipeline(pipeline, dot)? {
                Found::There(value) if truth(&value) => {
                    let depth = self.variables.len();
                    if let Some(name) = name {
                        self.variables
                            .push((name.clone(), Found::There(value.clone())));
                    }
                    let flow = self.nodes(body, &value)?;
                    self.variables.truncate(depth);
                    return Ok(flow);
                }
                _ => return self.nodes(otherwise, dot),
            },
            Node::Range(range) => return self.range(range, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// What is known of the field that `pipeline` is about, where it is about one alone.
    fn empty(&self, pipeline: &Pipeline) -> Option<&'static str> {
        let [command] = pipeline.commands.as_slice() else {
            return None;
        };
        match command.as_slice() {
            [Operand::Field(names) | Operand::Variable(_, names)] => {
                names.last().and_then(|name| self.methods.empty(name))
            }
            _ => None,
        }
    }

    fn range(&mut self, range: &Range, dot: &Value) -> Result<Flow, TemplateError> {
        let over = match self.pipeline(&range.over, dot)? {
            Found::There(value) => value,
            Found::Missing(_) => Value::Null,
        };
        let items: Vec<(Value, Value)> = match over {
            Value::Null => Vec::new(),
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| (at.into(), item))
                .collect(),
            Value::Object(fields) => {
                let mut items: Vec<_> = fields.into_iter().collect();
                items.sort_by(|(a, _), (b, _)| a.cmp(b));
                items
                    .into_iter()
                    .map(|(key, value)| (key.into(), value))
                    .collect()
            }
            other => {
                return Err(failed(
                    &range.over,
                    &format!("range can't iterate over {}", print(&other)),
                ));
            }
        };
        if items.is_empty() {
            return self.nodes(&range.otherwise, dot);
        }
        let depth = self.variables.len();
        for (key, value) in items {
            if let Some(name) = &range.key {
                self.variables.push((name.clone(), Found::There(key)));
            }
            if let Some(name) = &range.value {
                self.variables
                    .push((name.clone(), Found::There(value.clone())));
            }
            let flow = self.nodes(&range.body, &value)?;
            self.variables.truncate(depth);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Found, TemplateError> {
        let mut piped: Option<Found> = None;
        for command in &pipeline.commands {
            piped = Some(self.command(pipeline, command, piped, dot)?);
        }
        piped.ok_or_else(|| failed(pipeline, "missing value for command"))
    }

    fn command(
        &mut self,
        pipeline: &Pipeline,
        command: &[Operand],
        piped: Option<Found>,
        dot: &Value,
    ) -> Result<Found, TemplateError> {
        let Some((first, rest)) = command.split_first() else {
            return Err(failed(pipeline, "missing value for command"));
        };
        match first {
            Operand::Function(name) if name == "and" || name == "or" => {
                self.shortcut(pipeline, name == "or", rest, piped, dot)
            }
            Operand::Function(name) => {
                let arguments =
                    self.arguments(pipeline, rest, piped, dot, functions::takes_missing(name))?;
                functions::call(name, &arguments, self.mode)
                    .map(Found::There)
                    .map_err(|why| failed(pipeline, &format!("error calling {name}: {why}")))
            }
            Operand::Field(names) if !rest.is_empty() || piped.is_some() => {
                let arguments = self.arguments(pipeline, rest, piped, dot, false)?;
                let method = match names.as_slice() {
                    [name] if std::ptr::eq(dot, self.root) => self.methods.call(name, &arguments),
                    _ => None,
                };
                method.map(Found::There).ok_or_else(|| {
                    let name = names.last().map(String::as_str).unwrap_or(".");
                    failed(
                        pipeline,
                        &format!("{name} has arguments but cannot be invoked as function"),
                    )
                })
            }
            operand if rest.is_empty() && piped.is_none() => self.operand(pipeline, operand, dot),
            _ => Err(failed(pipeline, "can't give argument to non-function")),
        }
    }

    /// `and` ends at the first false argument, `or` at the first true one.
    fn shortcut(
        &mut self,
        pipeline: &Pipeline,
        until: bool,
        operands: &[Operand],
        piped: Option<Found>,
        dot: &Value,
    ) -> Result<Found, TemplateError> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(pipeline, operand, dot)?;
            if value.is_true() == until {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or_else(|| {
            failed(
                pipeline,
                "wrong number of args for and/or: want at least 1 got 0",
            )
        })
    }

    fn arguments(
        &mut self,
        pipeline: &Pipeline,
        operands: &[Operand],
        piped: Option<Found>,
        dot: &Value,
        takes_missing: bool,
    ) -> Result<Vec<Value>, TemplateError> {
        let mut found = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            found.push(self.operand(pipeline, operand, dot)?);
        }
        found.extend(piped);
        found
            .into_iter()
            .map(|found| match found {
                Found::There(value) => Ok(value),
                Found::Missing(_) if takes_missing => Ok(Value::Null),
                Found::Missing(name) => Err(missing(pipeline, &name)),
            })
            .collect()
    }

    fn operand(
        &mut self,
        pipeline: &Pipeline,
        operand: &Operand,
        dot: &Value,
    ) -> Result<Found, TemplateError> {
        match operand {
            Operand::Literal(value) => Ok(Found::There(value.clone())),
            Operand::Field(names) => walk(pipeline, dot, names),
            Operand::Variable(name, names) => {
                match self.variables.iter().rev().find(|(known, _)| known == name) {
                    Some((_, Found::There(value))) => walk(pipeline, value, names),
                    Some((_, Found::Missing(field))) if names.is_empty() => {
                        Ok(Found::Missing(field.clone()))
                    }
                    Some((_, Found::Missing(field))) => Err(missing(pipeline, field)),
                    None => Err(failed(pipeline, &format!("undefined variable: ${name}"))),
                }
            }
            Operand::Parenthesis(inner, names) => match self.pipeline(inner, dot)? {
                Found::There(value) => walk(pipeline, &value, names),
                Found::Missing(field) if names.is_empty() => Ok(Found::Missing(field)),
                Found::Missing(field) => Err(missing(pipeline, &field)),
            },
            Operand::Function(_) => {
                self.command(pipeline, std::slice::from_ref(operand), None, dot)
            }
        }
    }
}

fn walk(pipeline: &Pipeline, from: &Value, names: &[String]) -> Result<Found, TemplateError> {
    let mut at = from;
    for (depth, name) in names.iter().enumerate() {
        at = match at {
            Value::Object(fields) => match field(fields, name) {
                Some(value) => value,
                None if depth + 1 == names.len() => return Ok(Found::Missing(name.clone())),
                None => return Err(missing(pipeline, name)),
            },
            Value::Null => {
                return Err(failed(
                    pipeline,
                    &format!("nil data; no entry for key {name:?}"),
                ));
            }
            other => {
                let kind = type_name(other);
                return Err(failed(
                    pipeline,
                    &format!("can't evaluate field {name} in type {kind}"),
                ));
            }
        };
    }
    Ok(Found::There(at.clone()))
}

fn failed(pipeline: &Pipeline, message: &str) -> TemplateError {
    TemplateError {
        line: pipeline.at.line,
        column: Some(pipeline.at.column),
        message: format!("executing \"\": {message}"),
    }
}

fn missing(pipeline: &Pipeline, name: &str) -> TemplateError {
    failed(pipeline, &format!("map has no entry for key {name:?}"))
}
