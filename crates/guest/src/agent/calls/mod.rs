//! What the host asks of the agent ([`gantry_tunnel::agent`]).

mod clock;
mod disk;
mod figures;
mod memory;
mod touch;

use std::io;
use std::sync::Arc;

use gantry_tunnel::agent::{AgentCall, AgentReply, MAX_LINE};
use gantry_tunnel::{LineError, Lines, Stream};

use super::settings::Settings;
use super::{say, sys};

/// Answers calls until their stream ends.
pub async fn serve(stream: Stream, settings: &Arc<Settings>) -> io::Result<()> {
    let mut lines = Lines::new(stream, MAX_LINE);
    loop {
        let reply = match lines.next::<AgentCall>().await {
            Ok(Some(call)) => {
                let settings = settings.clone();
                // Disks and kernels take their time.
                tokio::task::spawn_blocking(move || answer(&call, &settings))
                    .await
                    .unwrap_or_else(|died| failed(&died))
            }
            Ok(None) => {
                use tokio::io::AsyncWriteExt;
                return lines.get_mut().shutdown().await;
            }
            // A call that this version doesn't know.
            Err(error @ LineError::Json(_)) => failed(&error),
            Err(LineError::Io(error)) => return Err(error),
            Err(error @ LineError::TooLong { .. }) => return Err(io::Error::other(error)),
        };
        match lines.send(&reply).await {
            Ok(()) => {}
            Err(LineError::Io(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

fn answer(call: &AgentCall, settings: &Settings) -> AgentReply {
    let answered = match call {
        AgentCall::Time { unix_nanos } => clock::set(*unix_nanos),
        AgentCall::Figures => figures::read(&settings.data).map(AgentReply::Figures),
        AgentCall::Trim => disk::trim(&settings.data).map(|bytes| AgentReply::Trimmed { bytes }),
        AgentCall::Grow => disk::grow(&settings.data).map(|()| AgentReply::Done),
        AgentCall::Reclaim => memory::reclaim(),
        AgentCall::Touch { paths } => Ok(AgentReply::Touched {
            count: paths.iter().filter(|path| touch::touch(path)).count(),
        }),
        AgentCall::PowerOff => end(settings, libc::SIGTERM),
        AgentCall::Reboot => end(settings, libc::SIGINT),
    };
    answered.unwrap_or_else(|error| failed(&error))
}

/// Init ends the engine, the containers and everyone else, and leaves the disk clean: on
/// SIGTERM it turns the machine off, on SIGINT it starts it anew.
fn end(settings: &Settings, signal: i32) -> io::Result<AgentReply> {
    say("the host ends the machine");
    // As much as can be on the disk already, should what follows be cut short.
    rustix::fs::sync();
    sys::signal(settings.init, signal)?;
    Ok(AgentReply::Done)
}

fn failed(error: &dyn std::fmt::Display) -> AgentReply {
    AgentReply::Failed {
        message: error.to_string(),
    }
}
