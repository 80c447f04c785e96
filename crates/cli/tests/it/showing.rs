//! What of the engine's answers is shown, and how.

use crate::engine::{Engine, answer};
use crate::{gantry, stderr, stdout};

#[test]
fn inspect_shows_what_the_engine_said_to_the_letter() {
    let engine = Engine::new(|call| match call.line.as_str() {
        "GET /v1.47/images/x/json" => answer(
            "200 OK",
            r#"{"Z":1.50,"A":{"b":[],"c":{}},"n":18446744073709551615}"#,
        ),
        _ => answer("404 Not Found", r#"{"message":"no such thing"}"#),
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "inspect", "x", "y"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output), @r#"
    [
        {
            "Z": 1.5,
            "A": {
                "b": [],
                "c": {}
            },
            "n": 18446744073709551615
        }
    ]
    "#);
    assert_eq!(stderr(&output), "Error: No such object: y\n");
}

#[test]
fn inspected_as_json_all_are_one_list() {
    let engine = Engine::new(|_| answer("200 OK", r#"{"Z":1,"A":"<&>"}"#));
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "inspect", "-f", "json", "x", "y"])
        .output()
        .unwrap();
    assert_eq!(
        stdout(&output),
        "[{\"Z\":1,\"A\":\"<&>\"},{\"Z\":1,\"A\":\"<&>\"}]\n"
    );
}

#[test]
fn what_has_no_value_prints_as_docker_prints_it() {
    let engine = Engine::new(|_| answer("200 OK", r#"{"Config":{"Cmd":null}}"#));
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "inspect", "x", "-f"])
        .arg("{{.Config.Cmd}}|{{.Config.StopSignal}}|{{.Config.Healthcheck}}|{{.Config.Labels}}|{{json .Config.Cmd}}")
        .output()
        .unwrap();
    assert_eq!(
        stdout(&output),
        "[]||<nil>|map[]|null\n",
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_name_that_several_have_is_told_as_such() {
    let engine = Engine::new(|_| {
        answer(
            "400 Bad Request",
            r#"{"message":"multiple IDs found with provided prefix: a"}"#,
        )
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "inspect", "a"])
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("multiple IDs"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_is_copied_through_a_link_keeps_the_links_name() {
    use base64::Engine as _;
    let archive = {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, "target", &b"hi"[..])
            .unwrap();
        builder.into_inner().unwrap()
    };
    let stat = |mode: u32, link: &str| {
        let json = format!(r#"{{"name":"x","size":0,"mode":{mode},"linkTarget":"{link}"}}"#);
        base64::prelude::BASE64_STANDARD.encode(json)
    };
    let (link, file) = (stat(1 << 27, "/etc/target"), stat(0o644, ""));
    let engine = Engine::new(move |call| {
        let (stat, body) = match call.line.split(' ').next() {
            Some("HEAD") => (&link, &[][..]),
            _ => (&file, archive.as_slice()),
        };
        let mut bytes = format!(
            "HTTP/1.1 200 OK\r\nx-docker-container-path-stat: {stat}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "cp", "-L", "c:/etc/link"])
        .arg(engine.home())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        std::fs::read_to_string(engine.home().join("link")).unwrap(),
        "hi"
    );
}
