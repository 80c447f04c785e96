//! Creates a container, getting its image first where that is missing.

use bollard::query_parameters::CreateContainerOptionsBuilder;
use clap::Args;

use super::cidfile::CidFile;
use super::{ContainerFlags, Pull};
use crate::app::App;
use crate::error::{CliError, Result};
use crate::images::pull;
use crate::images::reference::Reference;
use crate::output::{self, progress::Show};

/// Create a new container
#[derive(Debug, Args)]
#[command(override_usage = "gantry create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub struct Create {
    #[command(flatten)]
    flags: ContainerFlags,
    /// The image, and what runs in it instead of its own command
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE [COMMAND] [ARG...]"
    )]
    image_and_command: Vec<String>,
}

impl Create {
    /// Runs the verb: prints the new container's id.
    pub async fn run(self, app: &App) -> Result<()> {
        let created = create(app, &self.flags, &self.image_and_command)
            .await
            .map_err(coded)?;
        output::line(created.id)
    }
}

/// What the command line says wrongly has docker's code of its own; what the engine says hasn't.
fn coded(source: CliError) -> CliError {
    if !matches!(source, CliError::Invalid(_) | CliError::File { .. }) {
        return source;
    }
    CliError::Coded {
        code: 125,
        prefix: "",
        source: Box::new(source),
        suffix: "\n\nRun 'gantry create --help' for more information",
    }
}

/// A container that exists now.
pub struct Created {
    /// Its id.
    pub id: String,
}

/// Creates a container of the image that `image_and_command` begins with.
pub async fn create(
    app: &App,
    flags: &ContainerFlags,
    image_and_command: &[String],
) -> Result<Created> {
    let Some((image, command)) = image_and_command.split_first() else {
        return Err(CliError::invalid("no image was named"));
    };
    let reference = Reference::parse(image)?;
    let mut body = flags.body(image, command)?;
    let cidfile = flags.cidfile.as_deref().map(CidFile::reserve).transpose()?;
    let show = if flags.quiet {
        Show::Nowhere
    } else {
        Show::Stderr
    };
    if flags.pull == Pull::Always {
        get(app, &reference, flags, show).await?;
    }
    let options = || {
        let mut options = CreateContainerOptionsBuilder::new();
        if let Some(name) = &flags.name {
            options = options.name(name);
        }
        if let Some(platform) = &flags.platform {
            options = options.platform(platform);
        }
        Some(options.build())
    };
    let docker = app.daemon()?.docker();
    let first = docker
        .create_container(options(), body.clone())
        .await
        .map_err(CliError::from);
    let response = match first {
        Err(error) if error.is_not_found() && !reference.is_id() && may_get(flags, &reference) => {
            if !flags.quiet {
                output::tell(format_args!(
                    "Unable to find image '{}' locally",
                    reference.familiar()
                ));
            }
            get(app, &reference, flags, show).await?;
            body.image = Some(image.clone());
            docker.create_container(options(), body).await?
        }
        other => other?,
    };
    for warning in &response.warnings {
        output::tell(format_args!("WARNING: {}", output::printable(warning)));
    }
    if let Some(cidfile) = cidfile {
        cidfile.write(&response.id)?;
    }
    Ok(Created { id: response.id })
}

fn may_get(flags: &ContainerFlags, reference: &Reference) -> bool {
    flags.pull != Pull::Never || pull::is_bundled(reference)
}

/// Gets an image: from what Gantry brings along, or from its registry.
async fn get(app: &App, reference: &Reference, flags: &ContainerFlags, show: Show) -> Result<()> {
    if pull::is_bundled(reference) {
        return pull::load_bundled(app, show).await;
    }
    pull::pull(app, reference, flags.platform.as_deref(), show)
        .await
        .map_err(|error| pull::with_bundled_hint(error, reference))
}
