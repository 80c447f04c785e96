//! `--filter`.

use std::collections::{BTreeMap, HashMap};

use clap::Args;

use crate::error::{CliError, Result};

/// `--filter` of lists.
#[derive(Debug, Default, Args)]
pub struct FilterFlag {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

/// `--filter` of verbs whose `-f` is `--force`.
#[derive(Debug, Default, Args)]
pub struct LongFilterFlag {
    /// Provide filter values (e.g. "until=<timestamp>", "label=<key>=<value>")
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

/// Conditions, by key.
pub type Filters = BTreeMap<String, Vec<String>>;

impl FilterFlag {
    /// The conditions.
    pub fn filters(&self) -> Result<Filters> {
        parse(&self.filter)
    }
}

impl LongFilterFlag {
    /// The conditions.
    pub fn filters(&self) -> Result<Filters> {
        parse(&self.filter)
    }
}

fn parse(texts: &[String]) -> Result<Filters> {
    let mut filters = Filters::new();
    for text in texts {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            CliError::invalid(format!("invalid argument {text:?} for \"-f, --filter\": bad format of filter (expected name=value)"))
        })?;
        filters
            .entry(key.trim().to_lowercase())
            .or_default()
            .push(value.trim().to_owned());
    }
    Ok(filters)
}

/// As `bollard` takes them.
pub fn for_bollard(filters: Filters) -> HashMap<String, Vec<String>> {
    filters.into_iter().collect()
}

/// As the API takes them: `{"key":{"value":true}}`, which every version of it understands; none where there are none.
pub fn for_query(filters: &Filters) -> Option<String> {
    if filters.is_empty() {
        return None;
    }
    let map: serde_json::Map<String, serde_json::Value> = filters
        .iter()
        .map(|(key, values)| {
            let values: serde_json::Map<_, _> = values
                .iter()
                .map(|value| (value.clone(), true.into()))
                .collect();
            (key.clone(), values.into())
        })
        .collect();
    Some(serde_json::Value::Object(map).to_string())
}
