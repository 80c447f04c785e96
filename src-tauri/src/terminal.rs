//! A shell in a container, for the Terminal tab.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use bollard::Docker;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt;
use tauri::State;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};

use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::error::{CommandError, ErrorCode};
use crate::streams::Streams;

/// bash where the image has it, else sh. First it tells its process id, in a sequence that terminals don't show.
const SHELL: &str =
    r"printf '\033]7770;%s\007' $$; command -v bash >/dev/null 2>&1 && exec bash; exec sh";

/// What comes before the process id, and what ends it.
const TOLD: (&[u8], u8) = (b"\x1b]7770;", 0x07);

/// The terminals that are open, by their stream.
#[derive(Default)]
pub struct Terminals {
    open: Mutex<HashMap<u32, Keyboard>>,
}

/// What goes from the page to a shell.
struct Keyboard {
    input: mpsc::UnboundedSender<Vec<u8>>,
    size: watch::Sender<(u16, u16)>,
}

/// Opens a shell, sends what it prints, and answers its exit code when it ends.
#[tauri::command]
pub async fn terminal_open(
    engine: State<'_, Engine>,
    streams: State<'_, Streams>,
    terminals: State<'_, Terminals>,
    stream: u32,
    id: String,
    size: (u16, u16),
    output: Channel<InvokeResponseBody>,
) -> Result<Option<i32>, CommandError> {
    let client = &engine.client()?;
    let shell_of = id.clone();
    let (input, mut typed) = mpsc::unbounded_channel::<Vec<u8>>();
    let (resize, mut resized) = watch::channel(size);
    terminals.lock().insert(
        stream,
        Keyboard {
            input,
            size: resize,
        },
    );
    let _entry = Entry {
        terminals: &terminals,
        stream,
    };
    let shell = OnceLock::new();
    let ended = streams
        .run(stream, |flow| async {
            let (flow, output) = (flow, output);
            let exec = client
                .create_exec(
                    &id,
                    CreateExecOptions {
                        attach_stdin: Some(true),
                        attach_stdout: Some(true),
                        attach_stderr: Some(true),
                        tty: Some(true),
                        env: Some(vec!["TERM=xterm-256color"]),
                        cmd: Some(vec!["sh", "-c", SHELL]),
                        ..CreateExecOptions::default()
                    },
                )
                .await?
                .id;
            let start = StartExecOptions {
                tty: true,
                ..StartExecOptions::default()
            };
            let StartExecResults::Attached {
                output: mut printed,
                input: mut keys,
            } = client.start_exec(&exec, Some(start)).await?
            else {
                return Err(CommandError::new(
                    ErrorCode::Failed,
                    "the engine did not attach the terminal",
                ));
            };
            // The size is told once at the start, then whenever the window changes.
            resized.mark_changed();
            let sizes = async {
                while resized.changed().await.is_ok() {
                    let (width, height) = *resized.borrow_and_update();
                    if let Err(error) = client
                        .resize_exec(&exec, ResizeExecOptions { height, width })
                        .await
                    {
                        tracing::debug!(%error, "terminal not resized");
                    }
                }
                std::future::pending::<()>().await
            };
            let typing = async {
                while let Some(bytes) = typed.recv().await {
                    if keys.write_all(&bytes).await.is_err() || keys.flush().await.is_err() {
                        break;
                    }
                }
                std::future::pending::<()>().await
            };
            let printing = async {
                while let Some(chunk) = printed.next().await {
                    let bytes = chunk?.into_bytes();
                    if let Some(pid) = told_pid(&bytes).filter(|_| shell.get().is_none()) {
                        let _ = shell.set(pid);
                    }
                    flow.ready().await;
                    output
                        .send(InvokeResponseBody::Raw(bytes.to_vec()))
                        .map_err(page_gone)?;
                }
                Ok::<(), CommandError>(())
            };
            tokio::select! {
                ended = printing => ended?,
                () = sizes => {}
                () = typing => {}
            }
            let code = client.inspect_exec(&exec).await?.exit_code;
            Ok(code.and_then(|code| i32::try_from(code).ok()))
        })
        .await;
    // An exec outlives its connection. A shell that nobody sees any more is ended as a closed window ends it.
    if let (Err(_), Some(pid)) = (&ended, shell.get())
        && let Err(error) = hang_up(client, &shell_of, *pid).await
    {
        tracing::debug!(%error, container = shell_of, "a shell was left behind");
    }
    ended
}

/// Tells a shell that its terminal is gone.
async fn hang_up(client: &Docker, container: &str, pid: u32) -> Result<(), CommandError> {
    let command = format!("kill -HUP {pid}");
    let exec = CreateExecOptions {
        cmd: Some(vec!["sh", "-c", command.as_str()]),
        ..CreateExecOptions::default()
    };
    let exec = client.create_exec(container, exec).await?.id;
    let start = StartExecOptions {
        detach: true,
        ..StartExecOptions::default()
    };
    client.start_exec(&exec, Some(start)).await?;
    Ok(())
}

/// The process id that a shell told in this output.
fn told_pid(output: &[u8]) -> Option<u32> {
    let (before, end) = TOLD;
    let at = output
        .windows(before.len())
        .position(|bytes| bytes == before)?
        + before.len();
    let digits = output[at..].split(|byte| *byte == end).next()?;
    // 1 is the container's own: ended by nothing but Stop.
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
}

/// Keys typed in a terminal. Not async, so that keys arrive in the order they were typed.
#[tauri::command]
pub fn terminal_write(terminals: State<'_, Terminals>, stream: u32, data: String) {
    if let Some(keyboard) = terminals.lock().get(&stream) {
        // The shell may have ended a moment ago.
        let _ = keyboard.input.send(data.into_bytes());
    }
}

/// The terminal has this many columns and rows now.
#[tauri::command]
pub fn terminal_resize(terminals: State<'_, Terminals>, stream: u32, size: (u16, u16)) {
    if let Some(keyboard) = terminals.lock().get(&stream) {
        keyboard.size.send_replace(size);
    }
}

impl Terminals {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Keyboard>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry<'a> {
    terminals: &'a Terminals,
    stream: u32,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.terminals.lock().remove(&self.stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_tells_its_process_id() {
        assert_eq!(told_pid(b"\x1b]7770;42\x07/ # "), Some(42));
        assert_eq!(told_pid(b"\x1b]7770;1\x07"), None);
        assert_eq!(told_pid(b"\x1b]7770;x; rm -r /\x07"), None);
        assert_eq!(told_pid(b"/ # "), None);
    }
}
