//! What is said when something is wrong, and with which exit code.

use std::process::Stdio;

use crate::engine::{Engine, answer};
use crate::{gantry, stderr, stdout};

fn complaint(arguments: &[&str], reply: (&'static str, &'static str)) -> (Option<i32>, String) {
    let engine = Engine::new(move |_| answer(reply.0, reply.1));
    let output = gantry(&engine.home())
        .args(["-H", &engine.host()])
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn no_engine_is_told_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let host = format!("unix://{}", home.path().join("none.sock").display());
    for (arguments, code) in [(&["ps"][..], 1), (&["run", "x"], 125), (&["version"], 1)] {
        let output = gantry(home.path())
            .args(["-H", &host])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let text = stderr(&output);
        assert!(
            text.contains(&format!("Cannot connect to the engine at {host}")),
            "{text}"
        );
        assert!(text.contains("Is an engine running there?"), "{text}");
    }
}

#[test]
fn what_run_cannot_start_has_dockers_codes() {
    let start = |message: &'static str| {
        let engine = Engine::new(move |call| match call.line.as_str() {
            line if line.contains("/create") => {
                answer("201 Created", r#"{"Id":"abc","Warnings":[]}"#)
            }
            _ => answer("400 Bad Request", message),
        });
        let output = gantry(&engine.home())
            .args(["-H", &engine.host(), "run", "-d", "x"])
            .output()
            .unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, text) = start(r#"{"message":"exec: \"x\": executable file not found in $PATH"}"#);
    assert_eq!(code, Some(127));
    assert!(
        text.starts_with("gantry: Error response from daemon: exec"),
        "{text}"
    );
    assert_eq!(
        start(r#"{"message":"exec: \"/etc\": permission denied"}"#).0,
        Some(126)
    );
    assert_eq!(
        start(r#"{"message":"port is already allocated"}"#).0,
        Some(125)
    );
}

#[test]
fn what_exec_cannot_start_has_the_same_codes() {
    let engine = Engine::new(|call| {
        if call.line.contains("/containers/c/exec") {
            answer("201 Created", r#"{"Id":"abc"}"#)
        } else {
            answer(
                "400 Bad Request",
                r#"{"message":"exec: \"x\": executable file not found in $PATH"}"#,
            )
        }
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "exec", "c", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", stderr(&output));
}

#[test]
fn dockers_tutorial_names_the_bundled_one_where_it_cannot_be_had() {
    let reply = ("404 Not Found", r#"{"message":"no registry answers"}"#);
    let (code, text) = complaint(
        &["run", "-d", "-p", "80:80", "docker/getting-started"],
        reply,
    );
    assert_eq!(code, Some(125));
    assert!(
        text.contains("no registry answers")
            && text.contains("gantry run -d -p 80:80 gantry/getting-started"),
        "{text}"
    );
    let (_, text) = complaint(&["run", "other/image"], reply);
    assert!(!text.contains("gantry/getting-started"), "{text}");
}

#[test]
fn the_command_lines_own_errors() {
    let home = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| {
        gantry(home.path())
            .args(arguments)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(code(&["run", "--no-such-flag", "x"]), Some(125));
    assert_eq!(code(&["run", "-m", "lots", "x"]), Some(125));
    assert_eq!(code(&["rename", "one"]), Some(1));
    assert_eq!(code(&["run", "--help"]), Some(0));
    assert_eq!(code(&["run", "--restart", "sometimes", "x"]), Some(125));
}

#[test]
fn one_failure_of_many_is_told_and_the_rest_done() {
    let engine = Engine::new(|call| match call.line.contains("/bad/") {
        true => answer("404 Not Found", r#"{"message":"No such container: bad"}"#),
        false => answer("204 No Content", ""),
    });
    let output = gantry(&engine.home())
        .args(["-H", &engine.host(), "stop", "a", "bad", "b"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "a\nb\n");
    assert_eq!(
        stderr(&output),
        "Error response from daemon: No such container: bad\n"
    );
}

#[test]
fn answers_that_are_none_do_not_panic() {
    for body in ["", "[]", "{}", "null", "<html>", "[{\"Id\":1}]", "\u{0}"] {
        for verb in [
            &["ps", "-a"][..],
            &["images"],
            &["inspect", "x"],
            &["system", "df"],
            &["history", "x"],
        ] {
            let engine = Engine::new(move |_| answer("200 OK", body));
            let output = gantry(&engine.home())
                .args(["-H", &engine.host()])
                .args(verb)
                .output()
                .unwrap();
            let text = stderr(&output);
            assert!(
                matches!(output.status.code(), Some(0 | 1)),
                "{verb:?} {body:?}: {text}"
            );
            assert!(!text.contains("panicked"), "{verb:?} {body:?}: {text}");
        }
    }
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let engine = Engine::new(|_| {
        let names = vec![r#"{"Name":"volume","Driver":"local"}"#; 50_000].join(",");
        answer("200 OK", &format!("{{\"Volumes\":[{names}]}}"))
    });
    let mut child = gantry(&engine.home())
        .args(["-H", &engine.host(), "volume", "ls"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(141));
}
