//! Go's template language over JSON, as docker's users write it in `--format`.
//!
//! Ready-made engines for Rust were looked at: the only one of Go's dialect (`gtmpl`) has had no release since 2021,
//! wants its own value type and knows no JSON names, and the well-kept ones (`minijinja`, `handlebars`) speak
//! other languages.
//!
//! The data is JSON as the daemon sent it. A field is found by its JSON name or, where docker's Go source spells it
//! otherwise (`.ID` for `Id`, `.APIVersion` for `ApiVersion`), by the same letters in another case: nothing above
//! this module needs to know of names.
//!
//! A field that isn't there is false for `if`, `and`, `or`, `with`, `range`, null for `json`, and an error where it
//! would be printed or looked into.
//!
//! Not done: `define`, `template`, `block`, complex numbers. See <https://pkg.go.dev/text/template>.

mod eval;
mod functions;
mod lexer;
mod parser;
mod printf;
#[cfg(test)]
mod tests;
mod value;

use serde_json::Value;

use parser::Node;

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    nodes: Vec<Node>,
}

/// Why a template doesn't parse or doesn't fit its data; worded as Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: :{line}:{column}: {message}", column = column_text(.column))]
pub struct TemplateError {
    line: usize,
    column: Option<usize>,
    message: String,
}

fn column_text(column: &Option<usize>) -> String {
    column.map(|column| column.to_string()).unwrap_or_default()
}

/// What the outermost value can do beside having fields (docker's `{{.Label "x"}}`), and what is known of the fields.
pub trait Methods {
    /// The result of method `name`; none where there is no such method.
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Value> {
        None
    }

    /// What field `name` prints as where it is null or not there; none where nothing is known of it.
    fn empty(&self, _name: &str) -> Option<&'static str> {
        None
    }
}

/// For data without methods.
pub struct NoMethods;

impl Methods for NoMethods {}

/// What is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Data: what it doesn't have is an error.
    Data,
    /// Data of which each piece has other entries: what one doesn't have is `<no value>`.
    Sparse,
    /// The headers of a table: functions that would change a text leave it alone.
    Header,
}

impl Template {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        Ok(Template {
            nodes: parser::parse(text)?,
        })
    }

    /// The text for `data`.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        self.render_with(data, &NoMethods, Mode::Data)
    }

    /// The text for `data` with `methods`.
    pub fn render_with(
        &self,
        data: &Value,
        methods: &dyn Methods,
        mode: Mode,
    ) -> Result<String, TemplateError> {
        eval::render(&self.nodes, data, methods, mode)
    }

    /// Whether the template names field `name`. One that shows the whole value doesn't name its fields.
    pub fn mentions(&self, name: &str) -> bool {
        parser::mentions(&self.nodes, name)
    }
}
