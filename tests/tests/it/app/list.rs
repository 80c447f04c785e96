//! The containers list, and the Get started card above it.

use std::net::TcpStream;

use gantry_tests::{App, Client, World, key, request, until, until_true};
use serde_json::json;

use super::{app, containers, shown_state, until_shown};

#[test]
fn get_started_answers_and_can_be_stopped_and_deleted() {
    let world = World::with_flags(Client::Docker, &[]);
    let app = app(&world);
    app.expect("Engine running");
    app.expect("No containers yet");

    app.click("[data-testid=get-started]");
    app.find("[data-testid=started-url]");
    let url = app.script(
        "return document.querySelector('[data-testid=started-url]').textContent.trim()",
        &json!([]),
    );
    let url = url.as_str().unwrap_or_default();
    let port = url
        .trim_start_matches("http://localhost")
        .trim_matches(['/', ':'])
        .parse()
        .unwrap_or(80);
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the page's port");
    let page = request(stream, "GET", "/", &[], &[]).expect("the page");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Gantry"), "{}", page.text());
    until_shown(&app, "getting-started", "Running");
    assert_eq!(world.status("getting-started"), "running");

    // The same button finds the same container.
    app.click("[data-testid=get-started]");
    until_true("the button should rest again", || {
        app.script(
            "return !document.querySelector('[data-testid=get-started]').disabled",
            &json!([]),
        ) == json!(true)
    });
    assert_eq!(containers(&world), 1);

    app.click("button[aria-label='Stop: getting-started']");
    world.until_status("getting-started", "exited");
    until("the list should show the exit", || {
        match shown_state(&app, "getting-started") {
            shown if shown.starts_with("Exited") => Ok(()),
            shown => Err(shown),
        }
    });

    app.click("button[aria-label='Delete: getting-started']");
    app.expect("Delete getting-started?");
    app.press("Delete");
    app.expect("No containers yet");
    assert_eq!(containers(&world), 0);
}

#[test]
fn the_list_lives_by_events_and_takes_many_at_once() {
    let world = World::new(Client::Docker);
    let app = app(&world);
    app.expect("No containers yet");
    for name in ["one", "two", "three"] {
        world
            .cli(&["run", "-d", "--name", name, "busybox", "sleep", "1000"])
            .ok();
    }
    for name in ["one", "two", "three"] {
        until_shown(&app, name, "Running");
    }
    world.cli(&["pause", "two"]).ok();
    until_shown(&app, "two", "Paused");
    world.cli(&["unpause", "two"]).ok();
    until_shown(&app, "two", "Running");
    world.cli(&["kill", "three"]).ok();
    until_shown(&app, "three", "Exited (137)");

    app.type_into("input[type=search]", "exited");
    app.expect_gone("one");
    app.script("const s = document.querySelector('input[type=search]'); s.value = ''; s.dispatchEvent(new Event('input'))", &json!([]));
    until_shown(&app, "one", "Running");

    // By keyboard: to the second row, all of them, delete.
    app.script(
        "document.querySelector('tbody tr[tabindex=\"0\"]').focus()",
        &json!([]),
    );
    let focused = |app: &App| {
        app.script(
            "return document.activeElement.getAttribute('aria-label')",
            &json!([]),
        )
    };
    let first = focused(&app);
    app.type_into("tbody tr[tabindex='0']", key::DOWN);
    assert_ne!(focused(&app), first);
    app.script(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', ctrlKey: true, bubbles: true}))",
        &json!([]),
    );
    app.expect("3 selected");
    app.script("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Delete', bubbles: true}))", &json!([]));
    app.expect("Delete 3 containers?");
    app.press("Delete");
    app.expect("No containers yet");
    assert_eq!(containers(&world), 0);
}
