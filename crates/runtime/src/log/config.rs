//! What `--log-driver` and `--log-opt` say.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Where a container's output goes, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Whether there is a log.
    pub driver: Driver,
    /// A file that has reached this size, in bytes, is rotated.
    pub max_size: u64,
    /// How many files are kept, the one being written included.
    pub max_files: u32,
}

/// The log drivers that Gantry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Files of JSON lines.
    JsonFile,
    /// No log at all.
    None,
}

impl Default for Config {
    /// Bounded: 3 files of 10 MiB.
    fn default() -> Self {
        Self {
            driver: Driver::JsonFile,
            max_size: 10 << 20,
            max_files: 3,
        }
    }
}

/// A log configuration that can't be honoured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No such driver here.
    #[error("logger: no log driver named '{0}' is registered")]
    Driver(String),
    /// The driver has no such option.
    #[error("unknown log opt '{option}' for {driver} log driver")]
    Option {
        /// The driver.
        driver: &'static str,
        /// The option.
        option: String,
    },
    /// An option's value makes no sense.
    #[error("invalid value '{value}' for log opt '{option}'")]
    Value {
        /// The option.
        option: &'static str,
        /// What it was set to.
        value: String,
    },
}

/// Smallest size that a file may be rotated at: below it, every few lines would make a new one.
const SMALLEST: u64 = 4096;

impl Config {
    /// Reads a driver's name (empty: the default) and its options, `max-size` (`10m`, `1g`; `-1` for no limit) and
    /// `max-file`.
    ///
    /// # Errors
    /// For what isn't known or can't be honoured; nothing is ignored.
    pub fn parse(driver: &str, options: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let name = match driver {
            "" | "json-file" | "local" => "json-file",
            "none" => {
                config.driver = Driver::None;
                "none"
            }
            other => return Err(ConfigError::Driver(other.to_owned())),
        };
        // Sorted: which of several wrong options is told must not depend on a hash.
        for (option, value) in options.iter().collect::<BTreeMap<_, _>>() {
            let wrong = |option| ConfigError::Value {
                option,
                value: value.clone(),
            };
            match (option.as_str(), config.driver) {
                ("max-size", Driver::JsonFile) => {
                    config.max_size = parse_size(value).ok_or_else(|| wrong("max-size"))?;
                }
                ("max-file", Driver::JsonFile) => {
                    config.max_files = value
                        .parse()
                        .ok()
                        .filter(|count| *count > 0)
                        .ok_or_else(|| wrong("max-file"))?;
                }
                // What Gantry does anyway.
                ("compress", Driver::JsonFile) if value == "false" => {}
                ("mode", _) if value == "blocking" => {}
                _ => {
                    return Err(ConfigError::Option {
                        driver: name,
                        option: option.clone(),
                    });
                }
            }
        }
        Ok(config)
    }
}

/// Decimal units, as Docker reads this option.
fn parse_size(text: &str) -> Option<u64> {
    if text == "-1" {
        return Some(u64::MAX);
    }
    let text = text.to_ascii_lowercase();
    let number = text
        .trim_end_matches('b')
        .trim_end_matches(['k', 'm', 'g', 't']);
    let factor: u64 = match text[number.len()..].trim_end_matches('b') {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        _ => return None,
    };
    number
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
        .filter(|size| *size >= SMALLEST)
}
