//! The `filters` query parameter: `{"label":["a=b"]}`, or as older clients write it, `{"label":{"a=b":true}}`.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use thiserror::Error;

/// Filters that name only keys which the asked resource knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

/// A `filters` parameter that can't be honoured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Not one of the two shapes.
    #[error("invalid filters: {0}")]
    Malformed(String),
    /// A key that the resource doesn't have.
    #[error("invalid filter '{0}'")]
    UnknownKey(String),
    /// A value outside the key's grammar.
    #[error("invalid filter '{key}={values:?}'")]
    BadValue {
        /// The filter's name.
        key: String,
        /// What it was asked to be.
        values: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Set(BTreeMap<String, bool>),
}

impl Filters {
    /// Parses the parameter. `accepted` are the keys that the resource knows; another one is an error, since a
    /// filter that is silently dropped would show (or prune!) too much.
    pub fn parse(parameter: Option<&str>, accepted: &[&str]) -> Result<Filters, FilterError> {
        let text = parameter.unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(Filters::default());
        }
        // `null` is what a Go client makes of an empty map.
        let raw: Option<BTreeMap<String, Option<Values>>> =
            serde_json::from_str(text).map_err(|e| FilterError::Malformed(e.to_string()))?;
        let mut filters = BTreeMap::new();
        for (key, values) in raw.unwrap_or_default() {
            if !accepted.contains(&key.as_str()) {
                return Err(FilterError::UnknownKey(key));
            }
            let values: Vec<String> = match values {
                None => Vec::new(),
                Some(Values::List(list)) => list,
                Some(Values::Set(set)) => set
                    .into_iter()
                    .filter(|(_, wanted)| *wanted)
                    .map(|(value, _)| value)
                    .collect(),
            };
            if !values.is_empty() {
                filters.insert(key, values);
            }
        }
        Ok(Filters(filters))
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` was asked for.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The values of `key`; none if it wasn't asked for.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether one of the values of `key` passes `test`; true where `key` wasn't asked for.
    pub fn any(&self, key: &str, test: impl FnMut(&str) -> bool) -> bool {
        let values = self.get(key);
        let mut test = test;
        values.is_empty() || values.iter().any(|value| test(value))
    }

    /// The yes or no of `key` (`1`, `true`, `0`, `false`; both at once is an error); none if it wasn't asked for.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, FilterError> {
        let values = self.get(key);
        let Some(first) = values.first() else {
            return Ok(None);
        };
        let bad = || FilterError::BadValue {
            key: key.to_owned(),
            values: values.to_vec(),
        };
        let read = |value: &str| match value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Ok(true),
            "0" | "f" | "false" => Ok(false),
            _ => Err(bad()),
        };
        let answer = read(first)?;
        for value in values {
            if read(value)? != answer {
                return Err(bad());
            }
        }
        Ok(Some(answer))
    }

    /// Whether `labels` pass `label` (all of `key` or `key=value` present) and `label!` (none of them present).
    pub fn labels_match(&self, labels: &HashMap<String, String>) -> bool {
        let present = |wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
            None => labels.contains_key(wanted),
        };
        self.get("label").iter().all(present) && !self.get("label!").iter().any(present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &["label", "label!", "dangling", "name"];

    fn parse(text: &str) -> Result<Filters, FilterError> {
        Filters::parse(Some(text), KEYS)
    }

    #[test]
    fn both_shapes_are_read() {
        let list = parse(r#"{"label":["a=b","c"],"name":["x"]}"#).unwrap();
        let set = parse(r#"{"label":{"a=b":true,"c":true,"d":false},"name":{"x":true}}"#).unwrap();
        assert_eq!(list, set);
        assert_eq!(list.get("label"), ["a=b", "c"]);
        assert!(!list.has("dangling"));
    }

    #[test]
    fn nothing_asked_is_no_filter() {
        for text in [
            "",
            " ",
            "{}",
            "null",
            r#"{"label":[]}"#,
            r#"{"label":null}"#,
        ] {
            assert!(parse(text).unwrap().is_empty(), "{text:?}");
        }
        assert!(Filters::parse(None, KEYS).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(
            parse(r#"{"colour":["red"]}"#).unwrap_err().to_string(),
            "invalid filter 'colour'"
        );
        for text in [
            "[]",
            "{",
            r#"{"label":"a"}"#,
            r#"{"label":[1]}"#,
            r#"{"label":{"a":"b"}}"#,
        ] {
            assert!(
                matches!(parse(text), Err(FilterError::Malformed(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn flags_are_yes_or_no_and_not_both() {
        assert_eq!(
            parse(r#"{"dangling":["1"]}"#).unwrap().flag("dangling"),
            Ok(Some(true))
        );
        assert_eq!(
            parse(r#"{"dangling":["false"]}"#).unwrap().flag("dangling"),
            Ok(Some(false))
        );
        assert_eq!(parse("{}").unwrap().flag("dangling"), Ok(None));
        for text in [
            r#"{"dangling":["maybe"]}"#,
            r#"{"dangling":["true","false"]}"#,
        ] {
            assert!(
                matches!(
                    parse(text).unwrap().flag("dangling"),
                    Err(FilterError::BadValue { .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn labels_are_all_wanted_and_none_unwanted() {
        let labels = HashMap::from([
            ("a".to_owned(), "b".to_owned()),
            ("c".to_owned(), String::new()),
        ]);
        let matches = |text: &str| parse(text).unwrap().labels_match(&labels);
        assert!(matches("{}"));
        assert!(matches(r#"{"label":["a=b","c"]}"#));
        assert!(matches(r#"{"label":["c="]}"#));
        assert!(!matches(r#"{"label":["a=x"]}"#));
        assert!(!matches(r#"{"label":["a","z"]}"#));
        assert!(!matches(r#"{"label!":["a"]}"#));
        assert!(matches(r#"{"label!":["a=x"]}"#));
    }

    #[test]
    fn any_is_true_where_nothing_is_asked() {
        assert!(parse("{}").unwrap().any("name", |_| false));
        assert!(
            parse(r#"{"name":["x","y"]}"#)
                .unwrap()
                .any("name", |value| value == "y")
        );
        assert!(
            !parse(r#"{"name":["x"]}"#)
                .unwrap()
                .any("name", |value| value == "y")
        );
    }
}
