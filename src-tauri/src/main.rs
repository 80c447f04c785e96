//! gantry-desktop: the window on the engine.
//!
//! The page (`ui/`) asks through the commands registered here, one file a noun, and is told through Tauri channels.
//! There is no other door: no HTTP server, no file access, no shell.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

#[cfg(test)]
mod bindings;
mod containers;
mod credentials;
mod engine;
mod error;
mod getting_started;
mod images;
mod inspect;
mod leave;
mod links;
mod logs;
mod machine;
mod ports;
mod program;
mod run;
mod settings;
mod signals;
mod stats;
mod streams;
mod terminal;
mod volumes;

use std::process::ExitCode;

use tauri::Manager;
use tauri::webview::PageLoadEvent;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("GANTRY_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let machines = machine::Machines::from_environment();
    let app = tauri::Builder::default()
        .plugin(links::stay())
        .manage(engine::Engine::find(&machines))
        .manage(machines)
        .manage(streams::Streams::default())
        .manage(terminal::Terminals::default())
        .invoke_handler(tauri::generate_handler![
            streams::stream_ack,
            streams::stream_close,
            engine::commands::engine_watch,
            engine::commands::engine_retry,
            engine::commands::engine_choice,
            engine::commands::engine_choose,
            machine::commands::machines_list,
            machine::commands::machine_watch,
            machine::commands::machine_start,
            machine::commands::machine_stop,
            machine::commands::machine_restart,
            machine::commands::machine_set,
            machine::commands::machine_reset,
            machine::commands::machine_figures,
            machine::commands::machine_console,
            engine::commands::events_watch,
            containers::containers_list,
            containers::container_act,
            inspect::container_inspect,
            logs::logs_follow,
            stats::stats_follow,
            terminal::terminal_open,
            terminal::terminal_write,
            terminal::terminal_resize,
            images::images_list,
            images::image_pull,
            images::image_delete,
            run::image_defaults,
            run::container_run,
            ports::port_suggest,
            volumes::volumes_list,
            volumes::volume_delete,
            getting_started::getting_started,
            links::link_open,
        ])
        .on_page_load(|webview, payload| {
            if payload.event() == PageLoadEvent::Started {
                // A page that is loaded again has forgotten the streams of the one before.
                webview.state::<streams::Streams>().close_all();
            }
        })
        .setup(|app| {
            let handle = app.handle().clone();
            tauri::async_runtime::spawn(async move {
                engine::supervise::run(
                    &handle.state::<engine::Engine>(),
                    &handle.state::<machine::Machines>(),
                )
                .await
            });
            let handle = app.handle().clone();
            tauri::async_runtime::spawn(async move {
                if let Err(error) = leave::on_signals(&handle).await {
                    tracing::warn!(%error, "signals end the app at once");
                }
            });
            Ok(())
        })
        .build(tauri::generate_context!());
    match app {
        Ok(app) => {
            app.run(leave::on_event);
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the window cannot be opened");
            ExitCode::FAILURE
        }
    }
}
