//! A stage of starting: work that has a limit, that the virtual machine's end cuts short, and that a person can call off.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::console;
use super::shared::{Shared, Wish};
use crate::state::{Cause, Stage, State};

/// Why a stage didn't come to its end.
pub enum Interrupt {
    /// A person wants the machine to stop.
    Stop {
        /// At once.
        force: bool,
    },
    /// It failed.
    Failed(Cause),
}

/// Does `work` as `stage`. `ended` completes when the virtual machine has ended, with how.
pub async fn run<T>(
    shared: &Shared,
    wishes: &mut mpsc::Receiver<Wish>,
    stage: Stage,
    limit: Duration,
    ended: impl Future<Output = String>,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, Interrupt> {
    shared.set(State::Starting { stage });
    let began = Instant::now();
    let message = tokio::select! {
        biased;
        stop = stop_wished(wishes) => return Err(stop),
        done = work => match done {
            Ok(value) => {
                shared.took(stage, began.elapsed());
                return Ok(value);
            }
            Err(message) => message,
        },
        how = ended => how,
        () = tokio::time::sleep(limit) => format!("nothing came of it within {} s", limit.as_secs()),
    };
    Err(Interrupt::Failed(cause(shared, Some(stage), message)))
}

/// The cause with what the console says.
pub fn cause(shared: &Shared, stage: Option<Stage>, message: String) -> Cause {
    // Before the kernel runs, the console is that of the last run.
    let console = match stage {
        Some(Stage::Image | Stage::Vm) => Vec::new(),
        _ => console::tail(&shared.machine.paths.console()),
    };
    let advice = stage.map_or(
        "`gantry machine start` starts it anew; `gantry machine logs` has more.",
        Stage::advice,
    );
    Cause {
        stage,
        message,
        console,
        advice: advice.to_owned(),
    }
}

/// Refuses all wishes until one for an end comes.
async fn stop_wished(wishes: &mut mpsc::Receiver<Wish>) -> Interrupt {
    loop {
        match wishes.recv().await {
            Some(Wish::Stop { force }) => return Interrupt::Stop { force },
            Some(Wish::Change(_, done)) => {
                let _ = done.send(Err("the machine is starting".to_owned()));
            }
            Some(Wish::Memory(answer)) => {
                let _ = answer.send(None);
            }
            None => std::future::pending().await,
        }
    }
}
