//! Kills the engine in the middle of each operation, at random moments, and looks whether anything was lost or left.
//!
//! `crash --rounds 50 [create|start|pull|stop|remove …]`

use std::time::Instant;

use anyhow::{Context, Result, bail};
use gantry_tests::crash::{Crash, Operation};

fn main() -> Result<()> {
    let mut rounds = 50;
    let mut operations = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--rounds" {
            rounds = words
                .next()
                .context("--rounds wants a number")?
                .parse()
                .context("--rounds wants a number")?;
            continue;
        }
        match Operation::ALL
            .iter()
            .find(|operation| format!("{operation:?}").eq_ignore_ascii_case(&word))
        {
            Some(operation) => operations.push(*operation),
            None => bail!(
                "no operation is called {word}: there are create, start, pull, stop and remove"
            ),
        }
    }
    if operations.is_empty() {
        operations.extend(Operation::ALL);
    }
    let mut crash = Crash::new();
    for operation in operations {
        let began = Instant::now();
        let after = crash.rounds(operation, rounds);
        println!(
            "{operation:?}: killed {rounds} times before its answer and {after} times after, in {:.0} s: nothing lost, nothing left",
            began.elapsed().as_secs_f64()
        );
    }
    crash.end();
    Ok(())
}
