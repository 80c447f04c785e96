//! Lists: a table, a line each by a template, JSON, or names only.

use serde_json::{Map, Value};

use super::table;
use crate::error::Result;
use crate::template::{Methods, Mode, Template};

/// What a list can show: the columns' headers by field name, and the table shown when nothing else is asked for.
pub struct Columns {
    /// Field and header.
    pub headers: &'static [(&'static str, &'static str)],
    /// The default table's template.
    pub table: &'static str,
    /// The template of `--quiet`.
    pub quiet: &'static str,
}

/// One line of a list.
pub struct Row {
    /// Its fields.
    pub fields: Value,
    /// What `{{.Label "x"}}` looks in.
    pub labels: Map<String, Value>,
}

impl From<Value> for Row {
    fn from(fields: Value) -> Row {
        Row {
            fields,
            labels: Map::new(),
        }
    }
}

impl Methods for Row {
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Value> {
        match (name, arguments) {
            ("Label", [Value::String(key)]) => {
                Some(self.labels.get(key).cloned().unwrap_or_else(|| "".into()))
            }
            _ => None,
        }
    }
}

/// The header of `{{.Label "com.example.some-name"}}`: "some name".
struct Headers;

impl Methods for Headers {
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Value> {
        match (name, arguments) {
            ("Label", [Value::String(key)]) => {
                let last = key.rsplit('.').next().unwrap_or(key);
                Some(last.replace(['-', '_'], " ").into())
            }
            _ => None,
        }
    }
}

/// How a list is to be shown.
pub enum Format {
    /// With headers and columns.
    Table(Template),
    /// A line each.
    Lines(Template),
    /// A JSON object each.
    Json,
}

impl Format {
    /// What `--format`, `--quiet` and, where neither is given, the configuration ask for.
    pub fn choose(
        format: Option<&str>,
        quiet: bool,
        configured: Option<&str>,
        columns: &Columns,
    ) -> Result<Format> {
        let Some(format) = format.filter(|format| !format.is_empty()) else {
            return match configured {
                _ if quiet => Ok(Format::Lines(Template::parse(columns.quiet)?)),
                Some(configured) => Format::parse(configured, columns),
                None => Ok(Format::Table(Template::parse(columns.table)?)),
            };
        };
        if quiet && format == "table" {
            return Ok(Format::Lines(Template::parse(columns.quiet)?));
        }
        Format::parse(format, columns)
    }

    fn parse(format: &str, columns: &Columns) -> Result<Format> {
        let format = format.trim().replace("\\t", "\t").replace("\\n", "\n");
        Ok(match format.as_str() {
            "json" | "{{json .}}" => Format::Json,
            "table" => Format::Table(Template::parse(columns.table)?),
            _ => match format.strip_prefix("table ") {
                Some(template) => Format::Table(Template::parse(template.trim_start())?),
                None => Format::Lines(Template::parse(&format)?),
            },
        })
    }

    /// Whether the list asks for field `name` by name: what costs is got only then, as docker does.
    pub fn shows(&self, name: &str) -> bool {
        match self {
            Format::Table(template) | Format::Lines(template) => template.mentions(name),
            Format::Json => false,
        }
    }

    /// The text of `rows`.
    pub fn render(&self, rows: &[Row], columns: &Columns) -> Result<String> {
        match self {
            Format::Json => {
                let lines = rows
                    .iter()
                    .map(|row| escaped(&sorted(&row.fields).to_string()) + "\n");
                Ok(lines.collect())
            }
            Format::Lines(template) => {
                let mut out = String::new();
                for row in rows {
                    let row_text = row.text(template)?;
                    out.push_str(&row_text);
                    out.push('\n');
                }
                Ok(out)
            }
            Format::Table(template) => {
                let headers: Map<String, Value> = columns
                    .headers
                    .iter()
                    .map(|(field, header)| ((*field).to_owned(), (*header).into()))
                    .collect();
                let header =
                    template.render_with(&Value::Object(headers), &Headers, Mode::Header)?;
                let mut lines = vec![header];
                for row in rows {
                    lines.push(row.text(template)?);
                }
                // A template may hold newlines.
                let lines: Vec<String> = lines
                    .iter()
                    .flat_map(|line| line.split('\n').map(str::to_owned))
                    .collect();
                Ok(table::layout(&lines, table::MIN_WIDTH))
            }
        }
    }

    /// Shows `rows` on standard output.
    pub fn show(&self, rows: &[Row], columns: &Columns) -> Result<()> {
        super::print(&self.render(rows, columns)?)
    }
}

impl Row {
    fn text(&self, template: &Template) -> Result<String> {
        Ok(template.render_with(&sorted(&self.fields), self, Mode::Data)?)
    }
}

/// Go writes a whole row's JSON so that it could stand in a page.
fn escaped(json: &str) -> String {
    json.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}

/// Docker's lists have their fields in the alphabet's order.
pub fn sorted(fields: &Value) -> Value {
    match fields {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.clone().into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: Columns = Columns {
        headers: &[("ID", "CONTAINER ID"), ("Names", "NAMES")],
        table: "{{.ID}}\t{{.Names}}",
        quiet: "{{.ID}}",
    };

    fn shown(format: Option<&str>, quiet: bool) -> String {
        let row = Row {
            fields: json!({"Names": "web", "ID": "abc"}),
            labels: json!({"com.a-b": "x"}).as_object().cloned().unwrap(),
        };
        let format = Format::choose(format, quiet, None, &COLUMNS).unwrap();
        format.render(&[row], &COLUMNS).unwrap()
    }

    #[test]
    fn each_way_to_show_a_list() {
        assert_eq!(
            shown(None, false),
            "CONTAINER ID   NAMES\nabc            web\n"
        );
        assert_eq!(shown(None, true), "abc\n");
        assert_eq!(
            shown(Some("json"), false),
            "{\"ID\":\"abc\",\"Names\":\"web\"}\n"
        );
        assert_eq!(
            shown(Some("{{json .}}"), false),
            "{\"ID\":\"abc\",\"Names\":\"web\"}\n"
        );
        assert_eq!(
            shown(Some("{{.Names}}\\t{{.Label \"com.a-b\"}}"), false),
            "web\tx\n"
        );
        assert_eq!(
            shown(
                Some("table {{.Label \"com.a-b\"}}\t{{upper .Names}}"),
                false
            ),
            "a b       NAMES\nx         WEB\n"
        );
    }
}
