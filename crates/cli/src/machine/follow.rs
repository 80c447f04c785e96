//! Shows a machine on its way up or down.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use gantry_machine::State;
use gantry_machine::client::Client;
use gantry_machine::control::Status;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{CliError, Result};
use crate::output;

/// Follows the states that `client` was asked for until `end` says so; then returns the last.
pub async fn follow(client: &mut Client, end: impl Fn(&State) -> bool) -> Result<Status> {
    let mut steps = Steps::new();
    let mut last = None;
    while let Some(status) = client.next_status().await? {
        steps.show(&status.state);
        if end(&status.state) {
            steps.done();
            return Ok(status);
        }
        last = Some(status);
    }
    steps.done();
    last.ok_or_else(|| CliError::invalid("the machine's host process ended"))
}

/// The steps on standard error: one that moves on a terminal, a line each elsewhere.
struct Steps {
    bar: Option<ProgressBar>,
    step: Option<(String, Instant)>,
}

impl Steps {
    fn new() -> Steps {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        Steps { bar, step: None }
    }

    fn show(&mut self, state: &State) {
        let text = match state {
            State::Starting { stage } => stage.doing(),
            State::Stopping => "Stopping",
            _ => return self.done(),
        };
        if self.step.as_ref().is_some_and(|(step, _)| step == text) {
            return;
        }
        self.done();
        self.step = Some((text.to_owned(), Instant::now()));
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_message(text);
            bar.enable_steady_tick(Duration::from_millis(100));
        }
    }

    fn done(&mut self) {
        let Some((text, began)) = self.step.take() else {
            return;
        };
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
        output::tell(format_args!(
            "{text}: {:.1} s",
            began.elapsed().as_secs_f64()
        ));
    }
}
