//! A shell in a container, for the Terminal tab.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tauri::State;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, watch};

use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::engine::wire::segment;
use crate::error::{CommandError, ErrorCode};
use crate::streams::{Flow, Streams};

/// bash where the image has it, else sh. First it tells its process id, in a sequence that terminals don't show.
const SHELL: &str =
    r"printf '\033]7770;%s\007' $$; command -v bash >/dev/null 2>&1 && exec bash; exec sh";

/// What comes before the process id, and what ends it.
const TOLD: (&[u8], u8) = (b"\x1b]7770;", 0x07);

/// Bytes among which the process id is looked for.
const TOLD_WITHIN: usize = 1024;

/// How long a shell that is left before it has told its process id may take to tell it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes in one message to the page.
const CHUNK: usize = 32 * 1024;

/// The terminals that are open, by their stream.
#[derive(Default)]
pub struct Terminals {
    open: Mutex<HashMap<u32, Keyboard>>,
    left: Notify,
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
    let open = streams.open(stream)?;
    let (input, typed) = mpsc::unbounded_channel();
    let (resize, resized) = watch::channel(size);
    let keyboard = Keyboard {
        input,
        size: resize,
    };
    terminals.lock().insert(stream, keyboard);
    let _entry = Entry {
        terminals: &terminals,
        stream,
    };
    // Not cut short where the page closes the stream meanwhile: a shell that nobody knows of could not be ended.
    let mut shell = Shell::start(&engine, id, size).await?;
    let ended = open
        .run(|flow| shell.converse(flow, typed, resized, output))
        .await;
    match ended {
        Ok(()) => shell.exit_code().await,
        Err(error) => {
            if let Err(error) = shell.hang_up().await {
                tracing::debug!(%error, container = shell.container, "a shell was left behind");
            }
            Err(error)
        }
    }
}

/// A shell that runs in a container. It outlives its connection unless it is hung up.
struct Shell {
    client: Docker,
    container: String,
    exec: String,
    output: ReadHalf<TokioIo<Upgraded>>,
    input: WriteHalf<TokioIo<Upgraded>>,
    told: Told,
}

impl Shell {
    async fn start(
        engine: &Engine,
        container: String,
        (width, height): (u16, u16),
    ) -> Result<Self, CommandError> {
        let client = engine.client()?;
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(true),
            env: Some(vec!["TERM=xterm-256color"]),
            cmd: Some(vec!["sh", "-c", SHELL]),
            ..CreateExecOptions::default()
        };
        let exec = client.create_exec(&container, options).await?.id;
        let path = format!("/exec/{}/start", segment(&exec)?);
        let start = json!({ "Detach": false, "Tty": true, "ConsoleSize": [height, width] });
        let (output, input) = tokio::io::split(engine.wire()?.take_over(&path, &start).await?);
        Ok(Self {
            client,
            container,
            exec,
            output,
            input,
            told: Told::default(),
        })
    }

    /// Carries keys, sizes and output until the shell's output ends.
    async fn converse(
        &mut self,
        flow: Flow,
        mut typed: mpsc::UnboundedReceiver<Vec<u8>>,
        mut resized: watch::Receiver<(u16, u16)>,
        page: Channel<InvokeResponseBody>,
    ) -> Result<(), CommandError> {
        let Self {
            client,
            exec,
            output,
            input,
            told,
            ..
        } = self;
        let sizes = async {
            while resized.changed().await.is_ok() {
                let (width, height) = *resized.borrow_and_update();
                let size = ResizeExecOptions { height, width };
                if let Err(error) = client.resize_exec(exec, size).await {
                    tracing::debug!(%error, "terminal not resized");
                }
            }
            std::future::pending().await
        };
        let typing = async {
            while let Some(bytes) = typed.recv().await {
                if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
                    break;
                }
            }
            std::future::pending().await
        };
        let printing = async {
            let mut chunk = vec![0; CHUNK];
            loop {
                let read = output.read(&mut chunk).await.map_err(cut)?;
                if read == 0 {
                    return Ok(());
                }
                told.hear(&chunk[..read]);
                flow.ready().await;
                page.send(InvokeResponseBody::Raw(chunk[..read].to_vec()))
                    .map_err(page_gone)?;
            }
        };
        tokio::select! {
            ended = printing => ended,
            () = sizes => Ok(()),
            () = typing => Ok(()),
        }
    }

    async fn exit_code(self) -> Result<Option<i32>, CommandError> {
        let code = self.client.inspect_exec(&self.exec).await?.exit_code;
        Ok(code.and_then(|code| i32::try_from(code).ok()))
    }

    /// Tells the shell that its terminal is gone, as a closed window does.
    async fn hang_up(&mut self) -> Result<(), CommandError> {
        let telling = async {
            let mut chunk = vec![0; CHUNK];
            while self.told.pid.is_none() {
                match self.output.read(&mut chunk).await.map_err(cut)? {
                    0 => break,
                    read => self.told.hear(&chunk[..read]),
                }
            }
            Ok::<_, CommandError>(())
        };
        // One that says nothing in that time is no shell that tells.
        if let Ok(result) = tokio::time::timeout(PATIENCE, telling).await {
            result?;
        }
        let Some(pid) = self.told.pid else {
            return Ok(());
        };
        // Where the container was started again, the number is another process's.
        if self.client.inspect_exec(&self.exec).await?.running != Some(true) {
            return Ok(());
        }
        let command = format!("kill -HUP {pid}");
        let options = CreateExecOptions {
            cmd: Some(vec!["sh", "-c", command.as_str()]),
            ..CreateExecOptions::default()
        };
        let exec = self.client.create_exec(&self.container, options).await?.id;
        let start = StartExecOptions {
            detach: true,
            ..StartExecOptions::default()
        };
        self.client.start_exec(&exec, Some(start)).await?;
        Ok(())
    }
}

fn cut(error: std::io::Error) -> CommandError {
    CommandError::new(ErrorCode::EngineAway, error.to_string())
}

/// The process id that a shell tells before anything else.
#[derive(Default)]
struct Told {
    pid: Option<u32>,
    heard: Vec<u8>,
}

impl Told {
    fn hear(&mut self, output: &[u8]) {
        if self.pid.is_some() || self.heard.len() >= TOLD_WITHIN {
            return;
        }
        self.heard.extend_from_slice(output);
        let (before, end) = TOLD;
        let digits = (self.heard.windows(before.len()))
            .position(|bytes| bytes == before)
            .map(|at| &self.heard[at + before.len()..]);
        let Some((digits, at)) =
            digits.and_then(|rest| Some((rest, rest.iter().position(|byte| *byte == end)?)))
        else {
            return;
        };
        // 1 is the container's own: ended by nothing but Stop.
        self.pid = std::str::from_utf8(&digits[..at])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .filter(|pid| *pid > 1);
    }
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
    /// Waits until none is open any more: each has hung up its shell.
    pub async fn all_left(&self) {
        loop {
            let left = self.left.notified();
            if self.lock().is_empty() {
                return;
            }
            left.await;
        }
    }

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
        self.terminals.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(chunks: &[&[u8]]) -> Option<u32> {
        let mut told = Told::default();
        for chunk in chunks {
            told.hear(chunk);
        }
        told.pid
    }

    #[test]
    fn a_shell_tells_its_process_id() {
        assert_eq!(told(&[b"\x1b]7770;42\x07/ # "]), Some(42));
        assert_eq!(
            told(&[b"\x1b]77", b"70;4", b"2", b"\x07/ # \x1b]7770;9\x07"]),
            Some(42)
        );
        assert_eq!(told(&[b"\x1b]7770;4"]), None);
        assert_eq!(told(&[b"\x1b]7770;1\x07"]), None);
        assert_eq!(told(&[b"\x1b]7770;x; rm -r /\x07"]), None);
        assert_eq!(told(&[b"/ # "]), None);
    }

    #[tokio::test]
    async fn leaving_is_over_when_the_last_terminal_is() {
        let terminals = Terminals::default();
        let (input, _typed) = mpsc::unbounded_channel();
        let size = watch::Sender::new((80, 24));
        terminals.lock().insert(1, Keyboard { input, size });
        let entry = Entry {
            terminals: &terminals,
            stream: 1,
        };
        let all_left = terminals.all_left();
        tokio::pin!(all_left);
        assert!(futures::poll!(&mut all_left).is_pending());
        drop(entry);
        all_left.await;
    }
}
