//! The functions a template can call: Go's own and docker's.

use std::cmp::Ordering;

use serde_json::Value;

use super::Mode;
use super::printf::printf;
use super::value::{compare, field, print, truth, type_name};

/// Longer padding than this isn't output.
const MAX_PAD: usize = 4096;

/// `and` and `or` are here by name only: they don't evaluate all their arguments.
const KNOWN: [&str; 23] = [
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print",
    "printf", "println", "urlquery", "json", "split", "join", "title", "lower", "upper", "pad",
];

/// Whether there is a function `name`.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || name == "truncate"
}

/// Whether function `name` takes a field that isn't there for null.
pub fn takes_missing(name: &str) -> bool {
    matches!(
        name,
        "json" | "not" | "eq" | "ne" | "len" | "index" | "join"
    )
}

/// Calls function `name`. The error is a sentence's end: "error calling index: …".
pub fn call(name: &str, arguments: &[Value], mode: Mode) -> Result<Value, String> {
    if mode == Mode::Header
        && matches!(
            name,
            "json" | "title" | "lower" | "upper" | "truncate" | "join" | "split"
        )
    {
        return Ok(arguments.first().cloned().unwrap_or_default());
    }
    match (name, arguments) {
        ("not", [value]) => Ok(Value::Bool(!truth(value))),
        ("eq", [first, others @ ..]) if !others.is_empty() => equal(first, others),
        ("ne", [a, b]) => {
            equal(a, std::slice::from_ref(b)).map(|equal| Value::Bool(equal != Value::Bool(true)))
        }
        ("lt" | "le" | "gt" | "ge", [a, b]) => {
            let order = compare(a, b).ok_or("incompatible types for comparison")?;
            Ok(Value::Bool(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        ("len", [value]) => length(value).map(Value::from),
        ("index", [value, keys @ ..]) => index(value, keys),
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("print", values) => Ok(values.iter().map(print).collect::<String>().into()),
        ("println", values) => {
            let words: Vec<_> = values.iter().map(print).collect();
            Ok((words.join(" ") + "\n").into())
        }
        ("printf", [format, values @ ..]) => Ok(printf(text(format)?, values).into()),
        ("urlquery", values) => Ok(escape(&values.iter().map(print).collect::<String>()).into()),
        ("json", [value]) => Ok(json(value).into()),
        ("split", [value, separator]) => {
            let parts = text(value)?.split(text(separator)?);
            Ok(Value::Array(parts.map(Value::from).collect()))
        }
        ("join", [value, separator]) => join(value, text(separator)?),
        ("title", [value]) => Ok(title(text(value)?).into()),
        ("lower", [value]) => Ok(text(value)?.to_lowercase().into()),
        ("upper", [value]) => Ok(text(value)?.to_uppercase().into()),
        ("pad", [value, before, after]) => {
            let value = text(value)?;
            if value.is_empty() {
                return Ok(value.into());
            }
            let (before, after) = (whole(before)?.min(MAX_PAD), whole(after)?.min(MAX_PAD));
            Ok(format!("{}{value}{}", " ".repeat(before), " ".repeat(after)).into())
        }
        ("truncate", [value, length]) => {
            let length = whole(length)?;
            Ok(text(value)?.chars().take(length).collect::<String>().into())
        }
        _ => Err(format!(
            "wrong number of args for {name}: got {}",
            arguments.len()
        )),
    }
}

/// JSON as Go's encoder writes it for docker: without escaping HTML, fields in their order.
fn json(value: &Value) -> String {
    value.to_string()
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| {
        format!(
            "wrong type for value; expected string; got {}",
            type_name(value)
        )
    })
}

fn whole(value: &Value) -> Result<usize, String> {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| {
            format!(
                "wrong type for value; expected int; got {}",
                type_name(value)
            )
        })
}

fn equal(first: &Value, others: &[Value]) -> Result<Value, String> {
    for other in others {
        let same = match (first, other) {
            (Value::Null, _) | (_, Value::Null) => first == other,
            _ => match compare(first, other) {
                Some(order) => order == Ordering::Equal,
                None if type_name(first) == type_name(other) => first == other,
                None => return Err("incompatible types for comparison".to_owned()),
            },
        };
        if same {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(fields) => Ok(fields.len()),
        other => Err(format!("len of type {}", type_name(other))),
    }
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut found = value.clone();
    for key in keys {
        found = match (&found, key) {
            (Value::Object(fields), Value::String(name)) => {
                // As for Go's map of texts: what isn't there is empty.
                field(fields, name)
                    .cloned()
                    .unwrap_or_else(|| match fields.values().next() {
                        Some(Value::String(_)) => "".into(),
                        _ => Value::Null,
                    })
            }
            (Value::Array(items), Value::Number(_)) => {
                let at = whole(key)?;
                items
                    .get(at)
                    .cloned()
                    .ok_or(format!("index out of range: {at}"))?
            }
            (Value::String(text), Value::Number(_)) => {
                let at = whole(key)?;
                text.as_bytes()
                    .get(at)
                    .copied()
                    .map(Value::from)
                    .ok_or(format!("index out of range: {at}"))?
            }
            (Value::Null, Value::String(_)) => "".into(),
            (Value::Null, _) => return Err("index of untyped nil".to_owned()),
            (other, key) => {
                return Err(format!(
                    "can't index item of type {} by {}",
                    type_name(other),
                    type_name(key)
                ));
            }
        };
    }
    Ok(found)
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = length(value)?;
    let from = bounds.first().map(whole).transpose()?.unwrap_or(0);
    let to = bounds.get(1).map(whole).transpose()?.unwrap_or(length);
    let out_of_range = || format!("index out of range: [{from}:{to}]");
    match value {
        Value::String(text) => text.get(from..to).map(Value::from).ok_or_else(out_of_range),
        Value::Array(items) => items
            .get(from..to)
            .map(|items| Value::Array(items.to_vec()))
            .ok_or_else(out_of_range),
        other => Err(format!("can't slice item of type {}", type_name(other))),
    }
}

fn join(value: &Value, separator: &str) -> Result<Value, String> {
    match value {
        Value::Null => Ok("".into()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(print).collect();
            Ok(items.join(separator).into())
        }
        other => Err(format!(
            "wrong type for value; expected []string; got {}",
            type_name(other)
        )),
    }
}

fn title(text: &str) -> String {
    let mut begins = true;
    text.chars()
        .map(|c| {
            let out = if begins { c.to_ascii_uppercase() } else { c };
            begins = !c.is_alphanumeric();
            out
        })
        .collect()
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
