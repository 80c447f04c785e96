//! `--format`.

use clap::Args;

use crate::error::Result;
use crate::template::Template;

/// `--format` of lists.
#[derive(Debug, Default, Args)]
pub struct ListFormat {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `--format` of verbs that show one thing.
#[derive(Debug, Default, Args)]
pub struct ObjectFormat {
    /// Format output: 'json', or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl ObjectFormat {
    /// Whether all things are wanted as they are, in one line of JSON.
    pub fn is_json(&self) -> bool {
        self.format.as_deref() == Some("json")
    }

    /// The template asked for, if one is.
    pub fn template(&self) -> Result<Option<Template>> {
        match self.format.as_deref() {
            None | Some("") => Ok(None),
            Some("json") => Ok(Some(Template::parse("{{json .}}")?)),
            Some(text) => Ok(Some(Template::parse(text)?)),
        }
    }
}
