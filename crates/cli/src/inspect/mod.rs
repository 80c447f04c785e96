//! `inspect`: an object exactly as the daemon describes it.

mod zeros;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::daemon::segment;
use crate::error::{CliError, Result};
use crate::flags::format::ObjectFormat;
use crate::output;
use crate::template::{Mode, Template};

/// What can be inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl Kind {
    /// In docker's order of trying.
    const ALL: [Kind; 4] = [Kind::Container, Kind::Image, Kind::Network, Kind::Volume];

    fn word(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Network => "network",
            Kind::Volume => "volume",
        }
    }

    fn path(self, name: &str) -> String {
        let name = segment(name);
        match self {
            Kind::Container => format!("/containers/{name}/json"),
            Kind::Image => format!("/images/{name}/json"),
            Kind::Network => format!("/networks/{name}"),
            Kind::Volume => format!("/volumes/{name}"),
        }
    }
}

/// Return low-level information on Docker objects
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// The objects
    #[arg(required = true, value_name = "NAME|ID")]
    names: Vec<String>,
}

impl Inspect {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        inspect(app, self.kind, &self.names, &self.format, self.size).await
    }
}

/// Shows each of `names`, of `kind` or of whatever kind there is one, and then fails if one isn't there.
pub async fn inspect(
    app: &App,
    kind: Option<Kind>,
    names: &[String],
    format: &ObjectFormat,
    size: bool,
) -> Result<()> {
    let template = format.template()?;
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in names {
        match one(app, kind, name, size).await {
            Ok(object) => found.push(object),
            Err(error @ CliError::Connect { .. }) => return Err(error),
            Err(error) => errors.push(error),
        }
    }
    if format.is_json() {
        output::line(Value::Array(found))?;
    } else {
        output::print(&render(&found, template.as_ref())?)?;
    }
    if errors.is_empty() {
        return Ok(());
    }
    for error in errors {
        output::tell(error);
    }
    Err(CliError::Reported)
}

async fn one(app: &App, kind: Option<Kind>, name: &str, size: bool) -> Result<Value> {
    let kinds = kind.map_or(&Kind::ALL[..], |kind| {
        let at = Kind::ALL
            .iter()
            .position(|other| *other == kind)
            .unwrap_or_default();
        &Kind::ALL[at..=at]
    });
    for tried in kinds {
        let query: &[(&str, &str)] = if size && *tried == Kind::Container {
            &[("size", "1")]
        } else {
            &[]
        };
        match app.daemon()?.get_json(&tried.path(name), query).await {
            // Several of this kind: which is meant?
            Err(CliError::Daemon {
                status: 400,
                message,
            }) if kind.is_none() && message.to_lowercase().contains("multiple ids") => {
                return Err(CliError::Daemon {
                    status: 400,
                    message,
                });
            }
            // Not of this kind; a name outside a kind's grammar can't be of it either.
            Err(CliError::Daemon {
                status: 400 | 404 | 501,
                ..
            }) if kind.is_none() => {}
            result => return result,
        }
    }
    let word = kind.map_or("object", Kind::word);
    Err(CliError::invalid(format!("Error: No such {word}: {name}")))
}

fn render(objects: &[Value], template: Option<&Template>) -> Result<String> {
    match template {
        Some(template) => {
            let mut out = String::new();
            for object in objects {
                out.push_str(&template.render_with(object, &zeros::Zeros, Mode::Data)?);
                out.push('\n');
            }
            Ok(out)
        }
        None => Ok(pretty(objects) + "\n"),
    }
}

/// JSON with four spaces of indent, as docker's.
pub fn pretty(value: &(impl Serialize + ?Sized)) -> String {
    let mut out = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut out, indent);
    // What came as JSON goes as JSON.
    let _ = value.serialize(&mut writer);
    String::from_utf8_lossy(&out).into_owned()
}
