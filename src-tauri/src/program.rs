//! Programs that the app runs unseen.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// A program of this project that is nowhere to be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program} is neither in {} nor on PATH", beside.display())]
pub struct Missing {
    /// The program.
    pub program: &'static str,
    /// The app's folder.
    pub beside: PathBuf,
}

/// A program of this project: beside the app's own, else on PATH.
pub fn beside_or_on_path(program: &'static str) -> Result<PathBuf, Missing> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(Path::to_owned))
        .unwrap_or_default();
    let own = beside.join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    if own.is_file() {
        return Ok(own);
    }
    on_path(program).ok_or(Missing { program, beside })
}

/// The file that PATH leads to.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
}

/// A program that answers at once. Windows would open a console for it.
pub fn unseen(command: Command) -> Command {
    #[cfg(windows)]
    let command = {
        let mut command = command;
        command.creation_flags(CREATE_NO_WINDOW);
        command
    };
    command
}

/// A program that outlives the app: what is pressed in the terminal that runs the app must not reach it.
pub fn lasting(mut command: Command) -> Command {
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(windows)]
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    command.current_dir(std::env::temp_dir());
    command
}

#[cfg(windows)]
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
