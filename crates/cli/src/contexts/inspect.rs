//! `context inspect`.

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::inspect::pretty;
use crate::output;

/// Display detailed information on one or more contexts
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// The contexts; the current one if none is named
    #[arg(value_name = "CONTEXT")]
    contexts: Vec<String>,
}

impl Inspect {
    /// Runs the verb.
    pub fn run(self, app: &App) -> Result<()> {
        let mut names = self.contexts;
        if names.is_empty() {
            names.push(app.wishes.context_name(&app.config)?);
        }
        let objects: Vec<Value> = names
            .iter()
            .map(|name| object(app, name))
            .collect::<Result<_>>()?;
        match self.format.template()? {
            Some(template) => objects
                .iter()
                .try_for_each(|object| output::line(template.render(object)?)),
            None => output::line(pretty(&objects)),
        }
    }
}

fn object(app: &App, name: &str) -> Result<Value> {
    let context = super::find(app, name)?;
    let place = context
        .folder
        .as_ref()
        .map_or("<IN MEMORY>".to_owned(), |folder| {
            folder.display().to_string()
        });
    Ok(json!({
        "Name": context.name,
        "Metadata": {"Description": context.description},
        "Endpoints": {"docker": {"Host": context.host, "SkipTLSVerify": false}},
        "TLSMaterial": {},
        "Storage": {"MetadataPath": place, "TLSPath": if context.has_tls { "present" } else { "<IN MEMORY>" }},
    }))
}
