//! The real app in a display of its own, driven through WebDriver against the real engine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use gantry_tests::{
    App, Client, Image, Layer, World, busybox, free_port, key, request, run, until, until_true,
};
use serde_json::{Value, json};

fn app(world: &World) -> App {
    App::open(&[("DOCKER_HOST", &world.engine.host())])
}

/// The state that the list shows of a container.
fn shown_state(app: &App, name: &str) -> String {
    let script = "const row = document.querySelector(`tr[aria-label=\"${arguments[0]}\"]`);
        return row?.querySelector('.state')?.textContent.trim() ?? 'no row';";
    app.script(script, &json!([name]))
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn until_shown(app: &App, name: &str, state: &str) {
    until(
        &format!("the list should show {name} as {state}"),
        || match shown_state(app, name) {
            shown if shown == state => Ok(()),
            shown => Err((shown, app.text())),
        },
    );
}

fn containers(world: &World) -> usize {
    world
        .engine
        .ask("GET", "/containers/json?all=1", "")
        .json()
        .as_array()
        .map_or(0, Vec::len)
}

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
fn logs_stats_details_and_terminal_show_real_data() {
    let world = World::new(Client::Docker);
    let script = "for n in 1 2 3 4 5; do echo \"line $n of the log\"; done; \
        printf '\\033[31mred words\\033[0m\\n' >&2; exec sleep 1000";
    world
        .cli(&[
            "run",
            "-d",
            "--name",
            "talker",
            "-e",
            "MOOD=calm",
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
    app.click("button[aria-label='Clear the view']");
    app.expect("The view is cleared");
    assert!(!app.text().contains("line 5 of the log"));

    app.press("Stats");
    until("the charts should show a reading of each kind", || {
        let shown = app.script(
            "return [...document.querySelectorAll('.now strong')].map((e) => e.textContent.trim())",
            &json!([]),
        );
        let shown: Vec<_> = shown
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let units = ["%", "B", "/s", "/s", "/s", "/s"];
        let all = shown.len() == units.len()
            && shown
                .iter()
                .zip(units)
                .all(|(value, unit)| value.ends_with(unit));
        if all {
            Ok(())
        } else {
            Err((shown, app.text()))
        }
    });
    assert_eq!(app.find_all(".uplot canvas").len(), 4);

    app.press("Inspect");
    app.expect("MOOD");
    app.expect("calm");
    app.script(
        "document.querySelector('input[value=json]').click()",
        &json!([]),
    );
    app.expect("\"MOOD=calm\"");

    app.press("Terminal");
    app.find(".xterm-helper-textarea");
    until("the shell should print its prompt", || {
        let shown = terminal_text(&app);
        if shown.contains('#') {
            Ok(())
        } else {
            Err(shown)
        }
    });
    app.type_into(
        ".xterm-helper-textarea",
        "echo $((6*7)) > /proof; stty size; cat /proof\n",
    );
    until(
        "the terminal should show what was typed and printed",
        || {
            let shown = terminal_text(&app);
            if shown.lines().any(|line| line.trim() == "42") {
                Ok(())
            } else {
                Err(shown)
            }
        },
    );
    assert_eq!(world.cli(&["exec", "talker", "cat", "/proof"]).ok(), "42");
    let size = terminal_text(&app);
    let size = size.lines().map(str::trim).find(|line| {
        line.split(' ')
            .filter(|word| word.parse::<u16>().is_ok())
            .count()
            == 2
    });
    let (rows, columns) = size
        .and_then(|size| size.split_once(' '))
        .unwrap_or_else(|| panic!("no size: {}", terminal_text(&app)));
    assert!(
        rows.parse::<u16>().is_ok_and(|rows| rows > 24),
        "{rows} rows: the terminal fills its tab"
    );
    assert!(
        columns.parse::<u16>().is_ok_and(|columns| columns > 90),
        "{columns} columns: the terminal fills its tab"
    );

    // Leaving the tab ends the shell.
    app.press("Logs");
    until_true("the shell should end with its tab", || {
        !world.cli(&["top", "talker"]).ok().contains("\nroot")
            || world.cli(&["top", "talker"]).ok().lines().count() == 2
    });
}

fn terminal_text(app: &App) -> String {
    let text = app.script("return [...document.querySelectorAll('.xterm-accessibility-tree > *')].map((e) => e.textContent).join('\\n')", &json!([]));
    text.as_str().unwrap_or_default().replace('\u{a0}', " ")
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

#[test]
fn an_image_is_pulled_with_progress_and_run_by_the_form() {
    let world = World::with_registry(Client::Docker);
    let mut image = busybox();
    let config: Value = serde_json::from_slice(&image.config).expect("a configuration");
    image = Image::new(
        vec![
            image.layers.swap_remove(0),
            Layer::new().file("words", 0o644, b"pulled\n").tar(),
        ],
        &{
            let mut config = config["config"].clone();
            config["Cmd"] = json!(["sh", "-c", "cat /words; echo $GREETING; exec sleep 1000"]);
            config["ExposedPorts"] = json!({"8000/tcp": {}});
            config
        },
    );
    world.registry().push("team/tool", "1.0", &image);
    let name = format!("{}/team/tool:1.0", world.registry().host());
    let app = app(&world);
    app.go("#/images");
    app.expect("No images yet");

    app.press("Pull an image");
    // What the progress showed at any time, however quickly it went by.
    app.script(
        "window.seen = new Set();
         new MutationObserver(() => document.querySelectorAll('[data-testid=pull-progress] li').forEach((e) => window.seen.add(e.textContent.trim())))
             .observe(document.body, {subtree: true, childList: true, characterData: true});",
        &json!([]),
    );
    app.type_into("[data-testid=pull-reference]", &name);
    app.type_into("[data-testid=pull-reference]", key::ENTER);
    app.expect(&format!("{name} is here"));
    let seen = app.script("return [...window.seen]", &json!([]));
    let layers = seen
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|step| step.ends_with("Done"))
        .count();
    assert_eq!(layers, 2, "each layer should be told to its end: {seen}");
    app.expect("Unused");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = (taken.local_addr().expect("its address").port(), taken);
    app.click(&format!("button[aria-label='Run {name}']"));
    app.type_into("[data-testid=run-name]", "tool");
    let port = "input[aria-label='On this machine']";
    let type_port = |value: u16| {
        app.script(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];
             e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true}));",
            &json!([port, value.to_string()]),
        );
    };
    until("the form should offer what the image exposes", || {
        let filled = app.script(
            "return document.querySelector(\"input[aria-label='In the container']\")?.value ?? ''",
            &json!([]),
        );
        if filled == json!("8000") {
            Ok(())
        } else {
            Err(filled)
        }
    });
    type_port(taken.0);
    app.expect(&format!("Port {} is taken.", taken.0));
    type_port(free_port());
    app.press("Add a variable");
    app.type_into("input[aria-label='Variable']", "GREETING");
    app.type_into("input[aria-label='Value']", "hello there");
    app.click("[data-testid=run-start]");
    app.expect("hello there");
    app.expect("pulled");
    assert_eq!(world.status("tool"), "running");

    app.go("#/images");
    app.expect("tool");
    app.click(&format!("button[aria-label='Delete: {name}']"));
    app.press("Delete");
    // It is in use: the engine's own words are shown.
    app.expect("was not deleted");
}

#[test]
fn a_pull_that_is_cancelled_ends_in_the_engine_too() {
    // A registry whose layer never ends: it sends a byte now and then, so that only a hang-up ends the download.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("its address").to_string();
    let (hung_up, hangs_up) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let hung_up = hung_up.clone();
            std::thread::spawn(move || endless_registry(stream, &hung_up));
        }
    });
    let world = World::with_flags(Client::Docker, &["--insecure-registry", &host]);
    let app = app(&world);
    app.go("#/images");
    app.press("Pull an image");
    app.type_into("[data-testid=pull-reference]", &format!("{host}/never:1"));
    app.press("Pull");
    app.expect("Downloading");
    app.click("[data-testid=pull-cancel]");
    app.expect("The pull was cancelled");
    hangs_up
        .recv_timeout(gantry_tests::PATIENCE)
        .expect("the engine should hang up");
}

/// Answers one request of a pull whose only layer never ends, and tells when the other side leaves it.
fn endless_registry(mut stream: TcpStream, hung_up: &mpsc::Sender<()>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let image = Image::new(vec![Layer::new().tar()], &json!({"Cmd": ["sh"]}));
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let layer = format!("sha256:{}", "ab".repeat(32));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": image.config.len(), "digest": image.id()},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1 << 30, "digest": layer}],
    })
    .to_string();
    let mut answer = |kind: &str, length: usize, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body))
    };
    if head.contains("/manifests/") {
        let body = if head.starts_with("HEAD") {
            &[]
        } else {
            manifest.as_bytes()
        };
        let _ = answer(kind, manifest.len(), body);
    } else if head.contains(&image.id()) {
        let _ = answer(
            "application/octet-stream",
            image.config.len(),
            &image.config,
        );
    } else if head.contains(&layer) {
        let _ = answer("application/octet-stream", 1 << 30, &[0x1f]);
        while stream.write_all(&[0x8b]).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = hung_up.send(());
    } else {
        let _ = answer("application/json", 2, b"{}");
    }
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
        ("false", 0.5, "row number 50"),
        ("false", 0.0, "row number 1\n"),
        ("true", 0.25, "row number 25"),
    ] {
        app.script(
            "const wrap = document.querySelector(\"button[aria-label='Wrap lines']\");
             if (wrap.getAttribute('aria-pressed') !== arguments[1]) wrap.click();
             const view = document.querySelector('.view'); view.scrollTop = view.scrollHeight * arguments[0];",
            &json!([place, wrap]),
        );
        app.expect(expected);
    }
    app.type_into(".bar input[type=search]", "number 9999");
    // 9999 and 99990 to 99999.
    app.expect("1 of 11");
}

#[test]
fn the_app_starts_an_engine_where_none_answers() {
    let mut world = World::new(Client::Docker);
    world.cli(&["create", "--name", "kept", "busybox"]).ok();
    world.engine.kill();
    let folder = world.engine.folder().to_owned();
    let (config, pidfile) = (folder.join("daemon.json"), folder.join("gantryd.pid"));
    let settings = json!({
        "data-root": world.engine.data_root(),
        "exec-root": world.engine.exec_root(),
        "bridge": world.engine.subnet().bridge(),
        "bip": world.engine.subnet().bip(),
        "pidfile": pidfile,
    });
    std::fs::write(&config, settings.to_string()).expect("a file");
    let app = App::open(&[
        ("GANTRY_SOCKET", &world.engine.socket().to_string_lossy()),
        ("GANTRY_CONFIG", &config.to_string_lossy()),
    ]);
    app.expect("Engine running");
    until_shown(&app, "kept", "Created");

    // It goes away, and the app says so; it comes back, and the app sees it by itself.
    let pid = std::fs::read_to_string(&pidfile).expect("its pid");
    run(std::process::Command::new("kill").args(["-9", pid.trim()])).ok();
    app.expect("The engine has stopped");
    world.engine.restart();
    app.expect("Engine running");
    until_shown(&app, "kept", "Created");
}

#[test]
fn an_engine_that_cannot_start_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("daemon.json");
    std::fs::write(&config, "{\"no-such-key\": 1}").expect("a file");
    let app = App::open(&[
        (
            "GANTRY_SOCKET",
            &folder.path().join("none.sock").to_string_lossy(),
        ),
        ("GANTRY_CONFIG", &config.to_string_lossy()),
    ]);
    app.expect("The engine ended while it started");
    app.expect("no-such-key");
    app.press("Try again");
    app.expect("no-such-key");
}
