//! `--filter`.

use std::collections::{BTreeMap, HashMap};

use clap::Args;

/// `--filter` of lists.
#[derive(Debug, Default, Args)]
pub struct FilterFlag {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = condition)]
    filter: Vec<Condition>,
}

/// `--filter` of verbs whose `-f` is `--force`.
#[derive(Debug, Default, Args)]
pub struct LongFilterFlag {
    // No doc comment: to rustdoc these were HTML.
    #[arg(
        long,
        value_name = "KEY=VALUE",
        value_parser = condition,
        help = "Provide filter values (e.g. \"until=<timestamp>\", \"label=<key>=<value>\")"
    )]
    filter: Vec<Condition>,
}

/// Conditions, by key.
pub type Filters = BTreeMap<String, Vec<String>>;

impl FilterFlag {
    /// The conditions.
    pub fn filters(&self) -> Filters {
        gathered(&self.filter)
    }
}

impl LongFilterFlag {
    /// The conditions.
    pub fn filters(&self) -> Filters {
        gathered(&self.filter)
    }
}

/// One condition: key and value.
type Condition = (String, String);

fn condition(text: &str) -> Result<Condition, String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_lowercase(), value.trim().to_owned())),
        None => Err("bad format of filter (expected name=value)".to_owned()),
    }
}

fn gathered(conditions: &[Condition]) -> Filters {
    let mut filters = Filters::new();
    for (key, value) in conditions {
        filters.entry(key.clone()).or_default().push(value.clone());
    }
    filters
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
