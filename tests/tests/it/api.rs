//! Requests that no command line would send.

use gantry_tests::{Client, World};

fn refused(world: &World, method: &str, path: &str, body: &str, status: u16, text: &str) {
    let answer = world.engine.ask(method, path, body);
    assert_eq!(
        answer.status,
        status,
        "{method} {path} {body}: {}",
        answer.text()
    );
    let message = answer.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        message.contains(text),
        "{method} {path} {body}: {message:?} should hold {text:?}"
    );
}

#[test]
fn malformed_bodies() {
    let world = World::new(Client::Docker);
    for body in [
        "{",
        "[]",
        "null",
        "\"text\"",
        "{\"Image\": 5}",
        "{\"Image\": \"busybox\"} trailing",
        "\u{1}",
    ] {
        let answer = world.engine.ask("POST", "/containers/create", body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(
            answer.json()["message"].is_string(),
            "{body}: {}",
            answer.text()
        );
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        world.engine.ask("POST", "/containers/create", &deep).status,
        400
    );
    let answer = world.engine.ask("GET", "/containers/json", "");
    assert_eq!(answer.json(), serde_json::json!([]), "nothing was made");
    assert_eq!(
        world.engine.ask("GET", "/_ping", "").text(),
        "OK",
        "and the engine lives"
    );
}

#[test]
fn what_cannot_be_honoured_is_said() {
    let world = World::new(Client::Docker);
    let create = |body: &str, status, text: &str| {
        refused(&world, "POST", "/containers/create", body, status, text)
    };
    create("{\"Image\": \"busybox\", \"Nonsense\": 1}", 400, "Nonsense");
    create(
        "{\"Image\": \"busybox\", \"HostConfig\": {\"Invented\": true}}",
        400,
        "Invented",
    );
    create(
        "{\"Image\": \"none-such\"}",
        404,
        "No such image: none-such:latest",
    );
    create(
        "{\"Image\": \"busybox\", \"HostConfig\": {\"NetworkMode\": \"container:nobody\"}}",
        400,
        "nobody",
    );
    create(
        "{\"Image\": \"busybox\", \"HostConfig\": {\"Memory\": 1000}}",
        400,
        "Minimum memory limit allowed is 6MB",
    );
    create(
        "{\"Image\": \"busybox\", \"HostConfig\": {\"Binds\": [\"relative:../x\"]}}",
        400,
        "invalid",
    );
    create(
        "{\"Image\": \"busybox\", \"HostConfig\": {\"RestartPolicy\": {\"Name\": \"sometimes\"}}}",
        400,
        "restart policy",
    );
    refused(
        &world,
        "POST",
        "/containers/create?name=a%20b",
        "{\"Image\": \"busybox\"}",
        400,
        "Invalid container name (a b)",
    );
    assert_eq!(
        world.engine.ask("GET", "/containers/json?all=1", "").json(),
        serde_json::json!([])
    );
}

#[test]
fn paths_and_parameters() {
    let world = World::new(Client::Docker);
    refused(&world, "GET", "/no/such/page", "", 404, "page not found");
    refused(
        &world,
        "GET",
        "/containers/nobody/json",
        "",
        404,
        "No such container: nobody",
    );
    refused(
        &world,
        "GET",
        "/containers/json?filters=nonsense",
        "",
        400,
        "",
    );
    refused(
        &world,
        "GET",
        "/containers/json?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D",
        "",
        400,
        "invalid filter",
    );
    refused(&world, "GET", "/containers/..%2f..%2fetc/json", "", 404, "");
    refused(
        &world,
        "GET",
        "/images/no.such/json",
        "",
        404,
        "No such image: no.such",
    );
    refused(
        &world,
        "POST",
        "/containers/nobody/start",
        "",
        404,
        "No such container: nobody",
    );
    refused(&world, "DELETE", "/volumes/none", "", 404, "no such volume");
    refused(
        &world,
        "GET",
        "/exec/0123/json",
        "",
        404,
        "No such exec instance: 0123",
    );
    refused(
        &world,
        "POST",
        "/images/create?fromImage=UPPER",
        "",
        400,
        "invalid reference format",
    );
}

#[test]
fn a_client_that_speaks_no_http() {
    use std::io::{Read, Write};
    let world = World::new(Client::Docker);
    let mut many = Vec::new();
    for bytes in [
        b"\0\0\0\0".as_slice(),
        b"GET\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(world.engine.socket()).unwrap();
        stream.write_all(bytes).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_millis(500)))
            .unwrap();
        let _ = stream.read(&mut [0; 100]);
        many.push(stream);
    }
    // Half a request, held open: it costs nobody else anything.
    for _ in 0..100 {
        let mut stream = std::os::unix::net::UnixStream::connect(world.engine.socket()).unwrap();
        stream
            .write_all(
                b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
            )
            .unwrap();
        many.push(stream);
    }
    assert_eq!(world.engine.ask("GET", "/_ping", "").status, 200);
}
