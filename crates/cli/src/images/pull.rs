//! Gets images: from registries, and the one that Gantry brings along.

use clap::Args;

use super::reference::Reference;
use crate::app::App;
use crate::daemon::{Call, transport};
use crate::endpoint::credentials;
use crate::error::{CliError, Result};
use crate::output::{
    self,
    progress::{Progress, Show},
};
use crate::terminal;

/// Download an image from a registry
#[derive(Debug, Args)]
pub struct Pull {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Set platform if server is multi-platform capable
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", hide_env = true)]
    platform: Option<String>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    /// Skip image verification
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// The image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
}

impl Pull {
    /// Runs the verb; Ctrl-C ends the pull on the daemon's side too, since the connection ends.
    pub async fn run(self, app: &App) -> Result<()> {
        let reference = Reference::parse(&self.name)?;
        if self.all_tags && !reference.is_bare() {
            return Err(CliError::invalid("tag can't be used with --all-tags/-a"));
        }
        let show = if self.quiet {
            Show::Nowhere
        } else {
            Show::Stdout
        };
        if is_bundled(&reference) && super::inspect::exists(app, &reference).await? {
            output::tell(format_args!(
                "{} comes with Gantry and is here already",
                reference.familiar()
            ));
            return output::line(reference.canonical());
        }
        if reference.is_bare() && !self.all_tags && !self.quiet {
            output::line("Using default tag: latest")?;
        }
        let result = if is_bundled(&reference) {
            load_bundled(app, show).await
        } else if self.all_tags {
            pull_all(app, &reference, self.platform.as_deref(), show).await
        } else {
            pull(app, &reference, self.platform.as_deref(), show).await
        };
        result.map_err(|error| with_bundled_hint(error, &reference))?;
        output::line(reference.canonical())
    }
}

/// Pulls one image, showing its progress.
pub async fn pull(
    app: &App,
    reference: &Reference,
    platform: Option<&str>,
    show: Show,
) -> Result<()> {
    fetch(
        app,
        reference,
        Some(reference.tag_or_digest()),
        platform,
        show,
    )
    .await
}

async fn pull_all(
    app: &App,
    reference: &Reference,
    platform: Option<&str>,
    show: Show,
) -> Result<()> {
    fetch(app, reference, None, platform, show).await
}

async fn fetch(
    app: &App,
    reference: &Reference,
    tag: Option<&str>,
    platform: Option<&str>,
    show: Show,
) -> Result<()> {
    let mut call = Call::post("/images/create")
        .query("fromImage", reference.repository())
        .query_some("tag", tag)
        .query_some("platform", platform);
    match credentials::find(&app.config, credentials::auth_key(reference.registry())) {
        Ok(Some(known)) => call = call.header("x-registry-auth", known.header()),
        Ok(None) => {}
        // Most images are for everybody. The program may have gone with the product that it came with.
        Err(error) => output::tell(format_args!(
            "WARNING: {error}. Going on without an account at {}",
            reference.registry()
        )),
    }
    let work = async {
        Progress::new(show)
            .follow(app.daemon()?.values(call).await?)
            .await
    };
    // Leaving ends the connection, by which the daemon knows that nobody wants the image any more.
    tokio::select! {
        result = work => result,
        code = terminal::ended() => Err(CliError::Exit(code)),
    }
}

/// Whether the image is the tutorial that Gantry brings along.
pub fn is_bundled(reference: &Reference) -> bool {
    reference.familiar() == gantry_getting_started::REFERENCE
}

/// Loads the tutorial that Gantry brings along.
pub async fn load_bundled(app: &App, show: Show) -> Result<()> {
    let archive = gantry_getting_started::archive();
    let call = Call::post("/images/load")
        .query("quiet", "1")
        .body("application/x-tar", transport::full(archive));
    Progress::new(show)
        .follow(app.daemon()?.values(call).await?)
        .await
}

/// Names the bundled tutorial where docker's was wanted and can't be had.
pub fn with_bundled_hint(error: CliError, reference: &Reference) -> CliError {
    let wanted = matches!(
        reference.repository().as_str(),
        "docker/getting-started" | "getting-started"
    );
    if !wanted || error.is_silent() {
        return error;
    }
    CliError::Coded {
        code: error.exit_code(),
        prefix: "",
        source: Box::new(error),
        suffix: "\nGantry brings a tutorial of its own, which needs no registry: gantry run -d -p 80:80 gantry/getting-started",
    }
}
