//! A container's page: its log, figures and details.

use gantry_tests::{App, Client, World, key, until};
use serde_json::{Value, json};

use super::app;

#[test]
fn logs_stats_and_details_show_real_data() {
    let world = World::new(Client::Docker);
    let script = "for n in 1 2 3 4 5; do echo \"line $n of the log\"; done; \
        printf '\\033[31mred words\\033[0m\\n' >&2; \
        while true; do dd if=/dev/zero of=/data/file bs=64k count=16 conv=fsync; sleep 0.1; done 2>/dev/null";
    world
        .cli(&[
            "run",
            "-d",
            "--name",
            "talker",
            "-e",
            "MOOD=calm",
            "-v",
            "talk:/data",
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .ok();
    let app = app(&world);
    app.click("tr[aria-label=talker] a.name");

    app.expect("line 5 of the log");
    app.expect("red words");
    let red = "return [...document.querySelectorAll('.row span')].find((e) => e.textContent === 'red words')?.style.color ?? ''";
    assert_eq!(app.script(red, &json!([])), json!("var(--ansi-red)"));
    app.type_into(".bar input[type=search]", "LINE");
    app.expect("1 of 5");
    app.type_into(".bar input[type=search]", key::ENTER);
    app.expect("2 of 5");
    app.click("button[aria-label='Copy the log']");
    app.expect("6 lines copied");
    app.click("button[aria-label='Clear the view']");
    app.expect("The view is cleared");
    assert!(!app.text().contains("line 5 of the log"));

    app.press("Stats");
    until(
        "the charts should show a reading of each kind, and what is written to the volume",
        || {
            let shown = readings(&app);
            let units = ["%", "B", "/s", "/s", "/s", "/s"];
            let all = shown.len() == units.len()
                && (shown.iter().zip(units)).all(|(value, unit)| value.ends_with(unit))
                && shown[5] != "0 B/s";
            if all {
                Ok(())
            } else {
                Err((shown, app.text()))
            }
        },
    );
    assert_eq!(app.find_all(".uplot canvas").len(), 4);
    // A chart goes on as it is while readings come.
    app.script(
        "document.querySelector('.uplot').dataset.first = 'yes'",
        &json!([]),
    );
    let count = readings_taken(&app);
    until("more readings should come", || {
        let now = readings_taken(&app);
        if now == count { Err(now) } else { Ok(()) }
    });
    assert_eq!(app.find_all(".uplot[data-first=yes]").len(), 1);

    app.press("Inspect");
    app.expect("MOOD");
    app.expect("calm");
    app.script(
        "document.querySelector('input[value=json]').click()",
        &json!([]),
    );
    app.expect("\"MOOD=calm\"");
}

/// The values beside the charts' titles.
fn readings(app: &App) -> Vec<String> {
    let shown = app.script(
        "return [...document.querySelectorAll('.now strong')].map((e) => e.textContent.trim())",
        &json!([]),
    );
    let shown = shown.as_array().into_iter().flatten();
    shown.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What the disk chart tells in all: it grows with each reading of a container that writes.
fn readings_taken(app: &App) -> String {
    let script = "return [...document.querySelectorAll('.charts header')].at(-1).textContent";
    app.script(script, &json!([])).to_string()
}

#[test]
fn what_a_container_writes_is_text_whatever_it_looks_like() {
    let world = World::new(Client::Docker);
    let evil =
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    let label = format!("label={evil}");
    world
        .cli(&[
            "run",
            "-d",
            "--name",
            "evil",
            "-e",
            &format!("EVIL={evil}"),
            "-l",
            &label,
            "busybox",
            "sh",
            "-c",
            "echo \"$EVIL\"; exec sleep 1000",
        ])
        .ok();
    let app = app(&world);
    app.click("tr[aria-label=evil] a.name");
    app.expect(evil);
    app.press("Inspect");
    app.expect(evil);
    assert_eq!(
        app.script(
            "return document.querySelectorAll('main img, main script').length",
            &json!([])
        ),
        json!(0)
    );
    assert_eq!(
        app.script("return document.title", &json!([])),
        json!("Gantry")
    );
}

#[test]
fn the_page_follows_its_container_to_its_end_and_back() {
    let world = World::new(Client::Docker);
    world
        .cli(&[
            "create",
            "--name",
            "waits",
            "busybox",
            "sh",
            "-c",
            "echo it runs; exec sleep 1000",
        ])
        .ok();
    let app = app(&world);
    app.click("tr[aria-label=waits] a.name");
    app.expect("Nothing has been logged");
    assert!(!app.text().contains("has ended"), "{}", app.text());
    app.press("Start");
    app.expect("it runs");
    app.press("Stats");
    app.find(".uplot");
    app.script(
        "document.querySelectorAll('.uplot').forEach((e) => (e.dataset.first = 'yes'))",
        &json!([]),
    );
    world.cli(&["restart", "-t", "0", "waits"]).ok();
    // Charts of the container's second life.
    app.find(".uplot:not([data-first])");
    app.press("Logs");
    app.expect("2 lines");
    world.cli(&["kill", "waits"]).ok();
    app.expect("Exited (137)");
    app.expect("The container has ended.");
    app.press("Stats");
    app.expect("The container is not running");
}
