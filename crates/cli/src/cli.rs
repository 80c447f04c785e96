//! The program's words: global options, verbs, and how one is run.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::app::App;
use crate::completion::Completion;
use crate::containers::{self, ContainerCommand};
use crate::contexts::ContextCommand;
use crate::endpoint::config_file::ConfigFile;
use crate::endpoint::{Wishes, config_dir};
use crate::error::{CliError, Result};
use crate::images::{self, ImageCommand};
use crate::inspect::Inspect;
use crate::machine::MachineCommand;
use crate::networks::NetworkCommand;
use crate::output;
use crate::registry::{Login, Logout};
use crate::system::{Events, Info, SystemCommand, Version};
use crate::volumes::VolumeCommand;

/// Containers on your machine: the docker verbs, against Gantry's engine or any other.
#[derive(Debug, Parser)]
#[command(
    name = "gantry",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    infer_long_args = false,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Run 'gantry COMMAND --help' for more information on a command."
)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalFlags,
    #[command(subcommand)]
    command: Command,
}

/// Options before the verb.
#[derive(Debug, Args)]
struct GlobalFlags {
    /// Print usage
    #[arg(long, action = ArgAction::Help, global = true)]
    help: Option<bool>,
    /// Print version information and quit
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Location of client config files
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set
    /// with "gantry context use")
    #[arg(short, long, value_name = "NAME")]
    context: Option<String>,
    /// Daemon socket to connect to
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    host: Vec<String>,
    /// Use TLS; implied by --tlsverify
    #[arg(long, hide = true)]
    tls: bool,
    /// Use TLS and verify the remote
    #[arg(long, hide = true)]
    tlsverify: bool,
    /// Enable debug mode
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
    /// Set the logging level
    #[arg(short, long, hide = true)]
    log_level: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Containers(containers::Verb),
    #[command(flatten)]
    Images(images::Verb),
    /// List containers
    Ps(containers::Ls),
    /// List images
    #[command(name = "images")]
    ImageList(images::Ls),
    /// Remove one or more images
    Rmi(images::Rm),
    Inspect(Inspect),
    Events(Events),
    Info(Info),
    Version(Version),
    Login(Login),
    Logout(Logout),
    /// Manage containers
    #[command(subcommand)]
    Container(ContainerCommand),
    /// Manage images
    #[command(subcommand)]
    Image(ImageCommand),
    /// Manage networks
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Manage volumes
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// Manage the engine
    #[command(subcommand)]
    System(SystemCommand),
    /// Manage contexts
    #[command(subcommand)]
    Context(ContextCommand),
    /// Manage the Linux virtual machines that engines run in
    #[command(subcommand)]
    Machine(MachineCommand),
    Completion(Completion),
}

impl Cli {
    /// Runs the verb.
    pub async fn run(self) -> Result<()> {
        if let Command::Completion(verb) = self.command {
            return verb.run();
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (config, unread) = ConfigFile::load_or_empty(config_dir(self.global.config));
        if let Some(error) = unread {
            output::tell(format_args!(
                "WARNING: docker's configuration is left out of account: {error}"
            ));
        }
        let wishes = Wishes {
            hosts: self.global.host,
            context: self.global.context.filter(|name| !name.is_empty()),
            tls: self.global.tls || self.global.tlsverify,
            env_host: variable("DOCKER_HOST"),
            env_context: variable("DOCKER_CONTEXT"),
            env_tls: variable("DOCKER_TLS_VERIFY").is_some(),
        };
        let api_version = variable("DOCKER_API_VERSION")
            .map(|text| {
                text.parse().map_err(|error| {
                    CliError::invalid(format!("DOCKER_API_VERSION={text}: {error}"))
                })
            })
            .transpose()?;
        let mut app = App::new(config, wishes, api_version);
        match self.command {
            Command::Containers(verb) => verb.run(&app).await,
            Command::Images(verb) => verb.run(&app).await,
            Command::Ps(verb) => verb.run(&app).await,
            Command::ImageList(verb) => verb.run(&app).await,
            Command::Rmi(verb) => verb.run(&app).await,
            Command::Inspect(verb) => verb.run(&app).await,
            Command::Events(verb) => verb.run(&app).await,
            Command::Info(verb) => verb.run(&app).await,
            Command::Version(verb) => verb.run(&app).await,
            Command::Login(verb) => verb.run(&mut app).await,
            Command::Logout(verb) => verb.run(&mut app),
            Command::Container(verb) => verb.run(&app).await,
            Command::Image(verb) => verb.run(&app).await,
            Command::Network(verb) => verb.run(&app).await,
            Command::Volume(verb) => verb.run(&app).await,
            Command::System(verb) => verb.run(&app).await,
            Command::Context(verb) => verb.run(&mut app),
            Command::Machine(verb) => verb.run(&mut app).await,
            Command::Completion(verb) => verb.run(),
        }
    }
}
