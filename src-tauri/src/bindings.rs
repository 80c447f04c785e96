//! The commands' types for the page: `ui/src/lib/ipc/types.ts` is written from the Rust types by this test.
//!
//! It fails where the file is stale; `GANTRY_WRITE_BINDINGS=1 cargo test -p gantry-desktop bindings` writes it.

use std::path::Path;

use ts_rs::{Config, TS};

use crate::{
    containers, engine, error, getting_started, images, inspect, logs, machine, ports, run,
    settings, stats, volumes,
};

#[test]
fn bindings_are_fresh() {
    let config = Config::default();
    let mut text =
        String::from("// Written from the Rust types by src-tauri/src/bindings.rs. Do not edit.\n");
    let declarations = [
        error::CommandError::decl(&config),
        error::ErrorCode::decl(&config),
        engine::EngineState::decl(&config),
        engine::AwayReason::decl(&config),
        engine::EngineEvent::decl(&config),
        engine::EngineChoice::decl(&config),
        settings::Home::decl(&config),
        machine::view::Machine::decl(&config),
        machine::view::MachineState::decl(&config),
        machine::view::Stage::decl(&config),
        machine::view::StageTime::decl(&config),
        machine::view::Limits::decl(&config),
        machine::view::Bounds::decl(&config),
        machine::view::Applied::decl(&config),
        machine::figures::MachineUse::decl(&config),
        containers::Container::decl(&config),
        containers::Port::decl(&config),
        containers::Action::decl(&config),
        inspect::Details::decl(&config),
        inspect::Mount::decl(&config),
        inspect::Network::decl(&config),
        logs::LogLine::decl(&config),
        stats::Sample::decl(&config),
        images::Image::decl(&config),
        images::PullStep::decl(&config),
        ports::Protocol::decl(&config),
        run::RunRequest::decl(&config),
        run::PublishRequest::decl(&config),
        run::MountRequest::decl(&config),
        run::Variable::decl(&config),
        run::ImageDefaults::decl(&config),
        volumes::Volume::decl(&config),
        getting_started::StartedStep::decl(&config),
        getting_started::StartedPage::decl(&config),
    ];
    for declaration in declarations {
        text.push_str("\nexport ");
        text.push_str(&declaration);
        text.push('\n');
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/lib/ipc/types.ts");
    if std::env::var_os("GANTRY_WRITE_BINDINGS").is_some() {
        std::fs::write(&file, &text).expect("types.ts can be written");
    }
    let committed = std::fs::read_to_string(&file).expect("types.ts is committed");
    assert_eq!(
        committed, text,
        "ui/src/lib/ipc/types.ts is stale: see src-tauri/src/bindings.rs"
    );
}
