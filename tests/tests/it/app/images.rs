//! The images list: pull, cancel and run.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use gantry_tests::{Client, Image, Layer, World, busybox, free_port, key, until};
use serde_json::{Value, json};

use super::app;

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
