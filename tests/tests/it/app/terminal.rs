//! The Terminal tab: a shell in the container, from its first key to its end.

use gantry_tests::{App, Client, World, until, until_true};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::app;

/// What the terminal shows.
fn shown(app: &App) -> String {
    let text = app.script("return [...document.querySelectorAll('.xterm-accessibility-tree > *')].map((e) => e.textContent).join('\\n')", &json!([]));
    text.as_str().unwrap_or_default().replace('\u{a0}', " ")
}

/// An app that shows the shell of a container named `quiet`.
fn open(world: &World) -> App {
    world
        .cli(&["run", "-d", "--name", "quiet", "busybox", "sleep", "1000"])
        .ok();
    let app = app(world);
    app.click("tr[aria-label=quiet] a.name");
    app.press("Terminal");
    app.find(".xterm-helper-textarea");
    until("the shell should print its prompt", || {
        let shown = shown(&app);
        if shown.contains('#') {
            Ok(())
        } else {
            Err(shown)
        }
    });
    app
}

fn type_line(app: &App, line: &str) {
    app.type_into(".xterm-helper-textarea", &format!("{line}\n"));
}

fn until_line(app: &App, line: &str) {
    until(
        &format!("the terminal should print the line {line:?}"),
        || {
            let shown = shown(app);
            if shown.lines().any(|each| each.trim() == line) {
                Ok(())
            } else {
                Err(shown)
            }
        },
    );
}

/// What runs in the container beside its first process.
fn others(world: &World) -> Vec<String> {
    let top = world.cli(&["top", "quiet", "-eo", "pid,args"]).ok();
    let processes = (top.lines().skip(1)).filter_map(|line| line.trim().split_once(' '));
    processes
        .map(|(_, program)| program.trim().to_owned())
        .filter(|program| program != "sleep 1000")
        .collect()
}

fn until_alone(world: &World, why: &str) {
    until(why, || {
        let others = others(world);
        if others.is_empty() {
            Ok(())
        } else {
            Err(others)
        }
    });
}

#[test]
fn keys_and_output_go_through_and_the_shell_fills_its_tab() {
    let world = World::new(Client::Docker);
    let app = open(&world);
    type_line(&app, "echo $((6*7)) > /proof; stty size; cat /proof");
    until_line(&app, "42");
    assert_eq!(world.cli(&["exec", "quiet", "cat", "/proof"]).ok(), "42");
    let text = shown(&app);
    let size = text.lines().map(str::trim).find_map(|line| {
        let (rows, columns) = line.split_once(' ')?;
        Some((rows.parse::<u16>().ok()?, columns.parse::<u16>().ok()?))
    });
    assert!(
        size.is_some_and(|(rows, columns)| rows > 24 && columns > 90),
        "{size:?}: {text}"
    );

    // Bytes that look like the header of a frame are a program's own as any other.
    type_line(
        &app,
        r"printf '\0\0\0\0\377\377\377\377'; sleep 0.3; printf '\1\0\0\0\0\377\0\0'; sleep 0.3; echo still $((40+2)) here",
    );
    until_line(&app, "still 42 here");

    // Leaving the tab ends the shell.
    app.press("Logs");
    until_alone(&world, "the shell should end with its tab");
}

#[test]
fn a_tab_that_is_left_at_once_leaves_no_shell() {
    let world = World::new(Client::Docker);
    let app = open(&world);
    for _ in 0..5 {
        app.press("Logs");
        app.press("Terminal");
    }
    app.press("Logs");
    app.expect("Nothing has been logged");
    until_alone(&world, "each shell should end with its tab");
}

#[test]
fn ending_the_app_ends_the_shell_and_what_runs_in_it() {
    let world = World::new(Client::Docker);
    let app = open(&world);
    type_line(&app, "sleep 2000");
    until_true("the shell should run what is typed", || {
        others(&world).contains(&"sleep 2000".to_owned())
    });
    let pid = app.pid().expect("the app runs");
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
    kill_process(pid, Signal::TERM).expect("a signal");
    until_alone(&world, "the shell should end with the app");
    until_true("the app should end", || app.pid().is_none());
}
