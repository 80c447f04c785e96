//! `gantry`: the docker verbs on the command line, against any Docker API.
//!
//! A folder for each noun, a file for each verb; `daemon/` speaks the API, `endpoint/` finds out which, `output/`
//! shows answers, `template/` is the language of `--format`, `terminal/` joins a person to a process.

mod app;
mod arguments;
mod cli;
mod completion;
mod containers;
mod contexts;
mod daemon;
mod endpoint;
mod error;
mod flags;
#[cfg(test)]
mod help_tests;
mod images;
mod inspect;
mod machine;
mod networks;
mod output;
mod registry;
mod system;
mod template;
mod terminal;
mod volumes;

use std::process::exit;

fn main() {
    let cli = match arguments::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(code) => exit(code.into()),
    };
    // One thread: a verb mostly waits, and starting a pool would take longer than most verbs.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::tell(format_args!(
                "gantry: the program could not be set up: {error}"
            ));
            exit(125);
        }
    };
    let code = match runtime.block_on(cli.run()) {
        Ok(()) => 0,
        Err(error) => {
            if !error.is_silent() {
                output::tell(&error);
            }
            error.exit_code()
        }
    };
    // Not by dropping the runtime: a thread of it may sit in a read of the terminal that nothing will end.
    exit(code.into());
}
