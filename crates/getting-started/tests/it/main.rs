//! The tutorial's server, as a container would start it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

struct Served {
    child: Child,
    port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server on the pages of this crate and waits until it listens.
fn serve() -> Served {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a free port")
        .port();
    let mut child = Command::new(concat!(env!("OUT_DIR"), "/server"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("pages"))
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut said = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out)
        .read_line(&mut said)
        .expect("a first line");
    assert!(said.contains(&port.to_string()), "it said {said:?}");
    Served { child, port }
}

impl Served {
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn get(&self, path: &str, more: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n"
        ))
    }
}

#[test]
fn the_first_page_is_in_the_language_that_the_browser_prefers() {
    let served = serve();
    let english =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/en/index.html"));
    let chinese =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/zh/index.html"));
    let (english, chinese) = (english.expect("a page"), chinese.expect("a page"));
    assert!(served.get("/", "").ends_with(&english));
    assert!(
        served
            .get("/", "Accept-Language: en-GB,zh;q=0.5\r\n")
            .ends_with(&english)
    );
    assert!(
        served
            .get("/", "Accept-Language: de, zh-CN,en;q=0.5\r\n")
            .ends_with(&chinese)
    );
}

#[test]
fn it_serves_pages_and_nothing_else() {
    let served = serve();
    let page = served.get("/en/run.html?x=1", "");
    assert!(
        page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"),
        "{page}"
    );
    assert!(
        served
            .get("/style.css", "")
            .contains("Content-Type: text/css")
    );
    for path in [
        "/nothing.html",
        "/../Cargo.toml",
        "/en/../../Cargo.toml",
        "//etc/passwd",
        "/en",
    ] {
        let answer = served.get(path, "");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let head = served.ask("HEAD /en/run.html HTTP/1.0\r\n\r\n");
    assert!(
        head.ends_with("\r\n\r\n") && head.contains("Content-Length: "),
        "{head}"
    );
    assert!(
        served
            .ask("PUT / HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 405")
    );
}

#[test]
fn one_connection_takes_many_requests() {
    let served = serve();
    let answers = served.ask(
        "HEAD / HTTP/1.1\r\n\r\nHEAD /none HTTP/1.1\r\n\r\nHEAD /style.css HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 3, "{answers}");
}

#[test]
fn it_ends_when_it_is_asked_to() {
    let mut served = serve();
    let asked = Command::new("kill")
        .arg(served.child.id().to_string())
        .status()
        .expect("kill runs");
    assert!(asked.success());
    assert_eq!(served.child.wait().expect("it ends").code(), Some(0));
}
