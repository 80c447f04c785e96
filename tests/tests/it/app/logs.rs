//! The Logs tab: many lines, long lines, and a terminal's log.

use gantry_tests::{App, Client, World, until_true};
use serde_json::json;

use super::app;

fn set(app: &App, switch: &str, on: bool) {
    app.script(
        "const button = document.querySelector(`button[aria-label='${arguments[0]}']`);
         if (button.getAttribute('aria-pressed') !== arguments[1]) button.click();",
        &json!([switch, on.to_string()]),
    );
}

#[test]
fn a_hundred_thousand_lines_are_drawn_a_screen_at_a_time() {
    let world = World::new(Client::Docker);
    let script = "seq 1 100000 | sed 's/^/row number /'";
    world
        .cli(&[
            "run",
            "-d",
            "--name",
            "flood",
            "--log-opt",
            "max-size=100m",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .ok();
    world.until_status("flood", "exited");
    let app = app(&world);
    app.click("tr[aria-label=flood] a.name");
    app.expect("100,000 lines");
    app.expect("row number 100000");
    let drawn = app.find_all(".row").len();
    assert!(drawn < 100, "{drawn} rows are drawn");
    for (wrap, place, expected) in [
        (false, 0.5, "row number 50"),
        (false, 0.0, "row number 1\n"),
        (true, 0.25, "row number 25"),
    ] {
        set(&app, "Wrap lines", wrap);
        app.script(
            "const view = document.querySelector('.view'); view.scrollTop = view.scrollHeight * arguments[0];",
            &json!([place]),
        );
        app.expect(expected);
    }
    app.type_into(".bar input[type=search]", "number 9999");
    // 9999 and 99990 to 99999.
    app.expect("1 of 11");
}

#[test]
fn a_match_in_long_wrapped_lines_is_brought_into_view() {
    let world = World::new(Client::Docker);
    let script = "n=0; while [ $n -lt 900 ]; do n=$((n+1)); printf 'row %d is here ' $n; \
        head -c $((n % 7 * 400)) /dev/zero | tr '\\0' x; echo; done";
    world
        .cli(&["run", "-d", "--name", "long", "busybox", "sh", "-c", script])
        .ok();
    world.until_status("long", "exited");
    let app = app(&world);
    app.click("tr[aria-label=long] a.name");
    app.expect("row 900 is here");
    set(&app, "Wrap lines", true);
    for row in [450, 17, 803] {
        app.script(
            "const search = document.querySelector('.bar input[type=search]');
             search.value = arguments[0]; search.dispatchEvent(new Event('input', {bubbles: true}));",
            &json!([format!("row {row} is")]),
        );
        until_true("the match should be in view", || {
            app.script(
                "const mark = document.querySelector('mark.current')?.getBoundingClientRect();
                 const view = document.querySelector('.view').getBoundingClientRect();
                 return Boolean(mark) && mark.top >= view.top && mark.bottom <= view.bottom
                     && document.querySelector('mark.current').textContent === arguments[0];",
                &json!([format!("row {row} is")]),
            ) == json!(true)
        });
    }
    set(&app, "Wrap lines", false);
}

#[test]
fn a_terminals_log_is_read_without_line_ends_too() {
    let world = World::new(Client::Docker);
    let script = "echo first; printf '\\001\\000\\000odd\\n'; printf 'no end yet'; exec sleep 1000";
    world
        .cli(&[
            "run", "-d", "-t", "--name", "tty", "busybox", "sh", "-c", script,
        ])
        .ok();
    let app = app(&world);
    app.click("tr[aria-label=tty] a.name");
    app.expect("first");
    app.expect("odd");
    world.cli(&["kill", "tty"]).ok();
    app.expect("no end yet");
}

#[test]
fn a_line_of_many_colours_does_not_stop_the_window() {
    let world = World::new(Client::Docker);
    let script = "for row in $(seq 40); do n=0; while [ $n -lt 3000 ]; do n=$((n+1)); \
        printf '\\033[3%dmx' $((n % 8)); done; echo; done; echo the end";
    world
        .cli(&[
            "run", "-d", "--name", "motley", "busybox", "sh", "-c", script,
        ])
        .ok();
    world.until_status("motley", "exited");
    let app = app(&world);
    app.click("tr[aria-label=motley] a.name");
    app.expect("the end");
    let spans = app.script(
        "return document.querySelectorAll('.row span').length",
        &json!([]),
    );
    assert!(
        spans.as_u64().is_some_and(|spans| spans < 20_000),
        "{spans}"
    );
}
