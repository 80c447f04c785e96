//! What is said to the engine, and in which order.

use crate::engine::{Engine, answer, upgraded};
use crate::{gantry, stderr, stdout};

#[test]
fn an_older_engine_costs_one_more_call() {
    let engine = Engine::new(|call| {
        if call.line.contains("/v1.41/") {
            answer("200 OK", r#"{"Name":"old","ID":"x"}"#)
        } else {
            answer(
                "400 Bad Request",
                r#"{"message":"client version 1.47 is too new. Maximum supported API version is 1.41"}"#,
            )
        }
    });
    let output = gantry(&engine.home())
        .args([
            "-H",
            &engine.host(),
            "info",
            "-f",
            "{{.Name}} {{.ClientInfo.ApiVersion}}",
        ])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "old 1.41\n", "{}", stderr(&output));
    assert_eq!(engine.lines(), ["GET /v1.47/info", "GET /v1.41/info"]);
}

#[test]
fn a_demanded_version_is_the_only_one_tried() {
    let engine = Engine::new(|_| {
        answer(
            "400 Bad Request",
            r#"{"message":"client version 1.40 is too new"}"#,
        )
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "ps"])
        .env("DOCKER_API_VERSION", "1.40")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "Error response from daemon: client version 1.40 is too new\n"
    );
    assert_eq!(engine.lines().len(), 1);
}

#[test]
fn run_attaches_and_waits_before_it_starts() {
    let engine = Engine::new(|call| match call.line.as_str() {
        line if line.contains("/create") => {
            answer("201 Created", r#"{"Id":"abc","Warnings":["mind the gap"]}"#)
        }
        line if line.contains("/attach") => upgraded(b"hello\n"),
        line if line.contains("/wait") => answer("200 OK", r#"{"StatusCode":42}"#),
        _ => answer("204 No Content", ""),
    });
    let output = gantry(&engine.home())
        .args([
            "-H",
            &engine.host(),
            "run",
            "--rm",
            "--name",
            "n",
            "alpine",
            "echo",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(42));
    assert_eq!(stdout(&output), "hello\n");
    assert_eq!(stderr(&output), "WARNING: mind the gap\n");
    let lines = engine.lines();
    assert_eq!(lines.len(), 4, "no call that isn't needed: {lines:?}");
    assert!(lines[0].starts_with("POST /v1.47/containers/create?name=n"));
    assert!(
        lines[1..3]
            .iter()
            .any(|line| line.contains("/attach?stream=1&stdin=0&stdout=1&stderr=1"))
    );
    assert!(
        lines[1..3]
            .iter()
            .any(|line| line.ends_with("/wait?condition=removed"))
    );
    assert_eq!(lines[3], "POST /v1.47/containers/abc/start");
}

#[test]
fn a_missing_image_is_pulled_with_the_registrys_credentials() {
    let pulled = std::sync::atomic::AtomicBool::new(false);
    let engine = Engine::new(move |call| match call.line.as_str() {
        line if line.contains("/containers/create") => {
            if pulled.load(std::sync::atomic::Ordering::SeqCst) {
                answer("201 Created", r#"{"Id":"abc","Warnings":null}"#)
            } else {
                answer(
                    "404 Not Found",
                    r#"{"message":"No such image: reg:5000/x:1"}"#,
                )
            }
        }
        line if line.contains("/images/create") => {
            pulled.store(true, std::sync::atomic::Ordering::SeqCst);
            answer(
                "200 OK",
                "{\"status\":\"Pulling from x\",\"id\":\"1\"}\r\n{\"status\":\"Digest: sha256:ab\"}\r\n",
            )
        }
        _ => answer("204 No Content", ""),
    });
    let docker = engine.home().join(".docker");
    std::fs::create_dir(&docker).unwrap();
    std::fs::write(
        docker.join("config.json"),
        r#"{"auths":{"reg:5000":{"auth":"bWU6PT8+Pg=="}}}"#,
    )
    .unwrap();
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "run", "-d", "reg:5000/x:1"])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "abc\n");
    assert_eq!(
        stderr(&output),
        "Unable to find image 'reg:5000/x:1' locally\n1: Pulling from x\nDigest: sha256:ab\n"
    );
    let calls = engine.calls();
    let pull = calls
        .iter()
        .find(|call| call.line.contains("/images/create"))
        .unwrap();
    assert!(
        pull.line.ends_with("?fromImage=reg%3A5000%2Fx&tag=1"),
        "{}",
        pull.line
    );
    let auth = pull
        .headers
        .iter()
        .find_map(|header| header.strip_prefix("x-registry-auth: "))
        .unwrap();
    // Of the alphabet for addresses, as dockerd wants it: `=?>>` has letters where the two differ.
    assert!(!auth.contains(['+', '/']), "{auth}");
}

#[test]
fn the_bundled_tutorial_is_loaded_rather_than_pulled() {
    let loaded = std::sync::atomic::AtomicBool::new(false);
    let engine = Engine::new(move |call| match call.line.as_str() {
        line if line.contains("/containers/create") => {
            if loaded.load(std::sync::atomic::Ordering::SeqCst) {
                answer("201 Created", r#"{"Id":"abc","Warnings":[]}"#)
            } else {
                answer(
                    "404 Not Found",
                    r#"{"message":"No such image: gantry/getting-started:latest"}"#,
                )
            }
        }
        line if line.contains("/images/load") => {
            loaded.store(true, std::sync::atomic::Ordering::SeqCst);
            answer(
                "200 OK",
                "{\"stream\":\"Loaded image: gantry/getting-started:latest\\n\"}",
            )
        }
        _ => answer("204 No Content", ""),
    });
    let output = gantry(&engine.home())
        .args([
            "-H",
            &engine.host(),
            "run",
            "-d",
            "-p",
            "80:80",
            "gantry/getting-started",
        ])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "abc\n", "{}", stderr(&output));
    let calls = engine.calls();
    let load = calls
        .iter()
        .find(|call| call.line.contains("/images/load"))
        .unwrap();
    assert_eq!(load.body, gantry_getting_started::archive());
    assert!(
        calls
            .iter()
            .all(|call| !call.line.contains("/images/create"))
    );
}

#[test]
fn a_streamed_archive_waits_for_the_version() {
    let engine = Engine::new(|call| match call.line.as_str() {
        "GET /_ping" => {
            b"HTTP/1.1 200 OK\r\napi-version: 1.40\r\ncontent-length: 2\r\n\r\nOK".to_vec()
        }
        _ => answer("200 OK", "{\"stream\":\"Loaded image: x:1\\n\"}"),
    });
    let file = engine.home().join("a.tar");
    std::fs::write(&file, vec![7; 700_000]).unwrap();
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "load", "-i"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(
        stdout(&output),
        "Loaded image: x:1\n",
        "{}",
        stderr(&output)
    );
    assert_eq!(
        engine.lines(),
        ["GET /_ping", "POST /v1.40/images/load?quiet=1"]
    );
    assert_eq!(engine.calls()[1].body.len(), 700_000);
}

/// An engine whose container writes nothing and ends with 42.
fn quiet_container() -> Engine {
    Engine::new(|call| match call.line.as_str() {
        line if line.contains("/create") => answer("201 Created", r#"{"Id":"abc","Warnings":[]}"#),
        line if line.contains("/attach") => upgraded(b""),
        line if line.contains("/wait") => answer("200 OK", r#"{"StatusCode":42}"#),
        _ => answer("204 No Content", ""),
    })
}

#[test]
fn the_id_file_is_made_before_the_container() {
    let engine = quiet_container();
    let run = |file: &std::path::Path| {
        gantry(&engine.home())
            .args(["-H", &engine.host(), "run", "-d", "--cidfile"])
            .arg(file)
            .arg("alpine")
            .output()
            .unwrap()
    };
    let output = run(&engine.home().join("no/such/folder/id"));
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("no/such/folder/id"));
    assert_eq!(engine.lines().len(), 0, "no container is made");
    let file = engine.home().join("id");
    assert_eq!(stdout(&run(&file)), "abc\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "abc");
    let again = run(&file);
    assert!(stderr(&again).contains("container ID file found"));

    let refusing = Engine::new(|_| answer("409 Conflict", r#"{"message":"taken"}"#));
    let file = refusing.home().join("id");
    let output = gantry(&refusing.home())
        .args(["-H", &refusing.host(), "run", "-d", "--cidfile"])
        .arg(&file)
        .arg("alpine")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(!file.exists(), "it would keep the next try from starting");
}

#[test]
fn a_container_that_cannot_start_has_told_its_id() {
    let engine = Engine::new(|call| match call.line.as_str() {
        line if line.contains("/create") => answer("201 Created", r#"{"Id":"abc","Warnings":[]}"#),
        _ => answer(
            "500 Internal Server Error",
            r#"{"message":"port is already allocated"}"#,
        ),
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "run", "-d", "alpine"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(stdout(&output), "abc\n");
    assert_eq!(
        stderr(&output),
        "gantry: Error response from daemon: port is already allocated\n"
    );
}

#[test]
fn the_persons_detach_keys_are_told_to_the_engine() {
    let engine = quiet_container();
    let docker = engine.home().join(".docker");
    std::fs::create_dir(&docker).unwrap();
    std::fs::write(docker.join("config.json"), r#"{"detachKeys":"ctrl-a,d"}"#).unwrap();
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "run", "alpine"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(42));
    let lines = engine.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("/attach?") && line.ends_with("&detachKeys=ctrl-a%2Cd")),
        "{lines:?}"
    );
}
