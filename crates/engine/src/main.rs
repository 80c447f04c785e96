//! gantryd: see the library.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use gantry_engine::config::{Config, Flags};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match serve(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "gantryd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(flags: Flags) -> anyhow::Result<()> {
    let config = Config::load(flags)?;
    // Whoever starts us: containers' users must be able to read what is made for them, and their processes inherit it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&config.log_level))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    // Requests mostly wait for the kernel: two workers serve hundreds, and each costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(512 << 10)
        // A slow client of `cp`, `export` or `save` holds one as long as it likes; there must be others for the rest.
        .max_blocking_threads(1024)
        .thread_keep_alive(std::time::Duration::from_secs(1))
        .enable_all()
        .build()?;
    let served = runtime.block_on(gantry_engine::run::run(config));
    // Followers of logs and the like may sit in blocking calls: they end with us.
    runtime.shutdown_background();
    Ok(served?)
}
