//! `machine shell`.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use gantry_machine::MachineName;
use gantry_machine::client::Client;
use gantry_machine::store::Store;
use gantry_tunnel::shell::{self, Frame, MAX_FRAME};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::Mutex;

use crate::error::{CliError, Result};
use crate::output;
use crate::terminal::{self, RawMode};

/// Where nobody says how large the terminal is.
const SIZE: (u16, u16) = (24, 80);

/// Run a program inside a machine, beside the engine
#[derive(Debug, Args)]
pub struct Shell {
    /// The machine
    #[arg(value_name = "NAME")]
    name: Option<MachineName>,
    /// The program and its arguments; a shell if none is given
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
}

impl Shell {
    /// Runs the verb; the exit code is the program's.
    pub async fn run(self, store: &Store) -> Result<()> {
        let machine = super::named(store, self.name)?;
        let (rows, cols) = terminal::size().unwrap_or(SIZE);
        let stream = Client::connect(&machine.paths)
            .await?
            .shell(self.command, rows, cols)
            .await?;
        let (mut reader, writer) = tokio::io::split(stream);
        let writer = Arc::new(Mutex::new(writer));
        let raw = RawMode::enter()?;
        let resized = terminal::resized(|| async {
            if let Some((rows, cols)) = terminal::size() {
                // A shell that has gone is noticed by its output.
                let _ =
                    shell::write(&mut *writer.lock().await, &Frame::Resize { rows, cols }).await;
            }
        });
        let typing = async {
            type_in(&writer).await;
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = show(&mut reader) => ended,
            () = resized => unreachable(),
            () = typing => unreachable(),
        };
        drop(raw);
        match ended? {
            0 => Ok(()),
            code => Err(CliError::Exit(u8::try_from(code & 0xff).unwrap_or(u8::MAX))),
        }
    }
}

/// Neither the terminal's size nor typing ends a shell.
fn unreachable() -> Result<i32> {
    Err(CliError::invalid("the terminal is gone"))
}

async fn type_in(writer: &Mutex<impl AsyncWrite + Unpin>) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; MAX_FRAME];
    while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
        let frame = Frame::Data(buffer[..read].to_vec());
        if shell::write(&mut *writer.lock().await, &frame)
            .await
            .is_err()
        {
            return;
        }
    }
    // As a terminal says that there is no more: where standard input is one, it has been said already.
    let _ = shell::write(&mut *writer.lock().await, &Frame::Data(vec![4])).await;
}

/// Shows what the program says until it ends; its exit code.
async fn show(reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<i32> {
    loop {
        match shell::read(reader).await.map_err(CliError::Connection)? {
            Some(Frame::Data(bytes)) => {
                output::write(&bytes)?;
                std::io::stdout().flush().map_err(output::closed)?;
            }
            Some(Frame::Exit { code }) => return Ok(code),
            Some(Frame::Resize { .. }) => {}
            None => return Err(CliError::invalid("the machine has ended")),
        }
    }
}
