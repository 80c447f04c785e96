//! The real gantryd, asked by bare HTTP: what no command line shows plainly.

mod attach;
mod daemon;
mod health;
mod lives;
mod machine;
mod streams;
mod volumes;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use gantry_tests::{Client, PATIENCE, World};
use serde_json::{Value, json};

/// An engine with a busybox.
fn world() -> World {
    World::new(Client::Docker)
}

/// Creates a container; its id.
#[track_caller]
fn create(world: &World, name: &str, body: &Value) -> String {
    let answer = world.engine.ask(
        "POST",
        &format!("/containers/create?name={name}"),
        &body.to_string(),
    );
    assert_eq!(
        answer.status,
        201,
        "{}\n{}",
        answer.text(),
        world.engine.log()
    );
    answer.json()["Id"].as_str().expect("an id").to_owned()
}

/// Creates and starts one that runs `script`.
#[track_caller]
fn run(world: &World, name: &str, script: &str) -> String {
    let id = create(
        world,
        name,
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script] }),
    );
    start(world, name);
    id
}

#[track_caller]
fn start(world: &World, name: &str) {
    let answer = world
        .engine
        .ask("POST", &format!("/containers/{name}/start"), "");
    assert_eq!(
        answer.status,
        204,
        "{}\n{}",
        answer.text(),
        world.engine.log()
    );
}

/// A request whose answer is read as it comes.
struct Open {
    reader: BufReader<UnixStream>,
    /// The answer's first line and headers.
    head: String,
}

impl Open {
    #[track_caller]
    fn new(world: &World, request: &str) -> Open {
        let mut stream = UnixStream::connect(world.engine.socket()).expect("the engine's socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = reader.read_line(&mut head).expect("an answer");
            assert!(
                read > 0,
                "the engine hung up after {head:?}\n{}",
                world.engine.log()
            );
        }
        Open { reader, head }
    }

    /// An attach that takes the connection over.
    #[track_caller]
    fn upgraded(world: &World, path: &str, body: &str) -> Open {
        let open = Open::new(
            world,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert!(open.head.starts_with("HTTP/1.1 101 "), "{}", open.head);
        open
    }

    fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("to write");
    }

    /// Ends the input only.
    fn end_input(&self) {
        self.reader
            .get_ref()
            .shutdown(std::net::Shutdown::Write)
            .expect("to end the input");
    }

    /// All that is still to come.
    fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader
            .read_to_end(&mut bytes)
            .expect("the rest of the answer");
        bytes
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        line
    }

    /// Whether nothing comes for a moment.
    fn is_quiet(&mut self) -> bool {
        let stream = self.reader.get_ref();
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .expect("a deadline");
        let quiet = self.reader.fill_buf().is_err();
        self.reader
            .get_ref()
            .set_read_timeout(Some(PATIENCE))
            .expect("a deadline");
        quiet
    }
}

/// The payloads of frames, standard output and error apart.
fn frames(mut bytes: &[u8]) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    while let [kind, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (payload, rest) = rest.split_at(length);
        let text = String::from_utf8_lossy(payload);
        if *kind == 2 {
            err.push_str(&text)
        } else {
            out.push_str(&text)
        }
        bytes = rest;
    }
    assert!(bytes.is_empty(), "no frame: {bytes:?}");
    (out, err)
}

/// How many descriptors the engine holds.
fn descriptors(world: &World) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", world.engine.pid()))
        .expect("the engine's descriptors")
        .count()
}

/// How many it holds when it has nothing to do: what the last requests took is back.
fn settled(world: &World) -> usize {
    let mut last = descriptors(world);
    gantry_tests::until("the engine to rest", || {
        std::thread::sleep(Duration::from_millis(200));
        let before = std::mem::replace(&mut last, descriptors(world));
        if before == last {
            Ok(last)
        } else {
            Err((before, last))
        }
    })
}
