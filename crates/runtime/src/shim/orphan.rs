//! What a killed shim leaves.

use std::io;
use std::os::unix::net::UnixStream;

use time::OffsetDateTime;

use super::finish;
use super::wire::Boot;
use crate::{Dirs, Exit};

/// Ends what a killed shim has left (processes, cgroup, runtime state) and says how the container ended: from
/// `exit.json` where the shim got so far, else a new one with code 137. For a start after a crash, when
/// nobody answers on `shim.sock`; one that does answer is an error of kind `ResourceBusy`. Does nothing twice.
///
/// # Errors
/// When the exit can't be written, or the shim lives.
pub async fn reap_orphan(dirs: &Dirs) -> io::Result<Exit> {
    let dirs = dirs.clone();
    let work = tokio::task::spawn_blocking(move || reap(&dirs));
    work.await.map_err(io::Error::other)?
}

fn reap(dirs: &Dirs) -> io::Result<Exit> {
    if dirs
        .short_socket()
        .is_ok_and(|(_folder, path)| UnixStream::connect(path).is_ok())
    {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    // It got so far as to remove the file, or so little far that it was not written.
    let boot = Boot::read(dirs)?;
    let errors = boot.as_ref().map(finish::clean).unwrap_or_default();
    for error in &errors {
        tracing::warn!(error, state = %dirs.state.display(), "cleaning up after a killed shim");
    }
    let exit = match Exit::read(dirs)? {
        Some(exit) => exit,
        None => {
            let exit = Exit {
                code: 128 + 9,
                signal: Some(9),
                oom_killed: false,
                finished_at: OffsetDateTime::now_utc(),
                error: Some("the container's shim was killed".to_owned()),
            };
            exit.write(dirs)?;
            exit
        }
    };
    dirs.forget_state();
    Ok(exit)
}
