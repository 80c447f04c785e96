//! What is said when something is wrong, and with which exit code.

use std::process::Stdio;

use crate::engine::{Engine, answer, held};
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
    assert_eq!(code(&["ps", "word"]), Some(1));
    for help in [&["ps", "-h"][..], &["help", "ps"], &["help"]] {
        assert_eq!(code(help), Some(0), "{help:?}");
    }
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

#[test]
fn a_template_about_an_engine_that_is_not_there_does_not_hide_that() {
    let home = tempfile::tempdir().unwrap();
    let host = format!("unix://{}", home.path().join("none.sock").display());
    for (verb, template) in [
        ("version", "{{.Server.Version}}"),
        ("info", "{{.ServerVersion}}"),
    ] {
        let output = gantry(home.path())
            .args(["-H", &host, verb, "-f", template])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output);
        assert!(text.starts_with("Cannot connect to the engine"), "{text}");
    }
}

#[test]
fn an_unknown_option_is_no_image_and_no_container() {
    for arguments in [
        &["run", "--nmae", "web", "alpine"][..],
        &["create", "--nmae", "web", "alpine"],
        &["exec", "--nmae", "c", "ls"],
        &["top", "--nmae", "c"],
    ] {
        let (code, text) = complaint(arguments, ("404 Not Found", r#"{"message":"asked"}"#));
        assert_eq!(code, Some(125), "{arguments:?}: {text}");
        assert!(text.contains("'--nmae'"), "{arguments:?}: {text}");
    }
}

#[test]
fn removing_by_force_what_is_not_there_is_no_failure() {
    let missing = (
        "404 Not Found",
        r#"{"message":"No such container: \u001b[2Jx"}"#,
    );
    let (code, text) = complaint(&["rm", "-f", "x"], missing);
    assert_eq!(code, Some(0));
    assert_eq!(
        text,
        "Error response from daemon: No such container: \\u{1b}[2Jx\n"
    );
    assert_eq!(complaint(&["rm", "x"], missing).0, Some(1));
}

#[test]
fn an_archive_replaces_files_only() {
    let engine = Engine::new(|_| answer("200 OK", "an archive"));
    let home = engine.home();
    let socket = home.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::write(home.join("file"), "old").unwrap();
    std::os::unix::fs::symlink("file", home.join("link")).unwrap();
    let save = |name: &str| {
        gantry(&home)
            .args(["-H", &engine.host(), "save", "x", "-o"])
            .arg(home.join(name))
            .output()
            .unwrap()
    };
    for name in ["socket", "."] {
        let output = save(name);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(
            stderr(&output).contains("Name a file"),
            "{}",
            stderr(&output)
        );
    }
    assert_eq!(engine.lines().len(), 0, "refused before anything is asked");
    assert!(!std::fs::symlink_metadata(&socket).unwrap().is_file());
    assert!(save("link").status.success());
    assert!(
        std::fs::symlink_metadata(home.join("link"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        std::fs::read_to_string(home.join("file")).unwrap(),
        "an archive"
    );
}

#[test]
fn a_container_that_ignores_the_person_is_left_at_the_third_time() {
    let engine = Engine::new(|call| match call.line.as_str() {
        line if line.contains("/create") => answer("201 Created", r#"{"Id":"abc","Warnings":[]}"#),
        line if line.contains("/attach") => held(),
        // Headers only: the container goes on.
        line if line.contains("/wait") => b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n".to_vec(),
        _ => answer("204 No Content", ""),
    });
    let child = gantry(&engine.home())
        .args(["-H", &engine.host(), "run", "alpine"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    seen(&engine, "/start", 1);
    for times in 1..=3 {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        seen(&engine, "/kill?signal=INT", times);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(
        stderr(&output).contains("gantry kill abc"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_hangup_that_is_to_be_ignored_is() {
    let engine = Engine::new(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec());
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$@\"", "nohup"])
        .arg(env!("CARGO_BIN_EXE_gantry"))
        .args(["-H", &engine.host(), "events"])
        .env("HOME", engine.home())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    seen(&engine, "/events", 1);
    for signal in [rustix::process::Signal::HUP, rustix::process::Signal::TERM] {
        rustix::process::kill_process(pid, signal).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
}

/// Waits until the engine has been called so often.
fn seen(engine: &Engine, what: &str, times: usize) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let calls = || {
        engine
            .lines()
            .iter()
            .filter(|line| line.contains(what))
            .count()
    };
    while calls() < times {
        assert!(
            std::time::Instant::now() < end,
            "no {what} in {:?}",
            engine.lines()
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
