//! The guest's end of the tunnel: serves the host's streams, and asks the host for ports and names.
//!
//! One session after the other; whatever ends one, the agent waits for the next. It
//! is a program of its own, so that init has nothing to do with the outside.
//!
//! | asked by the host | done |
//! |---|---|
//! | `Api` | a connection to the engine's socket |
//! | `Tcp`, `Udp` | a connection to an address of the guest's loopback, nowhere else |
//! | `Agent` | [`calls`] |
//! | `Shell` | a program on a terminal |
//!
//! | asked by programs of the guest | done |
//! |---|---|
//! | a line on [`claims`]' socket | a `Listen` stream, as long as the connection lives |
//! | a DNS question on 127.0.0.53 | a `Resolve` stream |

mod calls;
mod channel;
mod claims;
mod dns;
mod relay;
mod serve;
mod settings;
mod shell;
mod sys;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use gantry_tunnel::Tunnel;
use tokio::sync::watch;

use self::channel::Listener;
use self::settings::Settings;

/// The present session, for those who ask the host for something.
type Session = watch::Receiver<Option<Tunnel>>;

/// Runs as long as the machine does.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let settings = match Settings::parse(arguments) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("gantry-guest agent: {error}");
            return ExitCode::from(2);
        }
    };
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AgentError::Runtime)
        .and_then(|runtime| runtime.block_on(serve(settings)));
    match ended {
        Ok(never) => match never {},
        Err(error) => {
            say(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

/// Without one of these an agent is no use: init starts it again.
#[derive(Debug, thiserror::Error)]
enum AgentError {
    #[error("no runtime: {0}")]
    Runtime(#[source] std::io::Error),
    #[error("the channel to the host ({channel}) can't be opened: {source}")]
    Channel {
        channel: String,
        source: std::io::Error,
    },
    #[error("the socket for claims ({path}) can't be made: {source}")]
    Claims {
        path: String,
        source: std::io::Error,
    },
}

async fn serve(settings: Settings) -> Result<std::convert::Infallible, AgentError> {
    let settings = Arc::new(settings);
    let (session, present) = watch::channel(None);
    claims::listen(&settings.claims, present.clone()).map_err(|source| AgentError::Claims {
        path: settings.claims.display().to_string(),
        source,
    })?;
    if let Some(at) = settings.dns {
        // Names can be resolved otherwise, by whatever DHCP told of.
        if let Err(error) = dns::listen(at, present).await {
            say(format_args!("names can't be asked for at {at}: {error}"));
        }
    }
    let failed = |source| AgentError::Channel {
        channel: settings.channel.to_string(),
        source,
    };
    let mut listener = Listener::open(&settings.channel).await.map_err(failed)?;
    let mut next = None;
    loop {
        let io = match next.take() {
            Some(io) => io,
            None => listener.next().await.map_err(failed)?,
        };
        tokio::select! {
            () = serve::session(io, &settings, &session) => {}
            // A host that comes anew has lost the old connection, whether that is known here or not.
            anew = listener.another() => next = Some(anew.map_err(failed)?),
        }
        session.send_replace(None);
    }
}

/// Says something on the machine's console, on a line of its own.
fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;
    // A console that can't be written to has nobody to be told.
    let _ = std::io::stderr().write_all(format!("gantry: agent {text}\n").as_bytes());
}
