//! Which engine is chosen, and what is kept in docker's configuration.

use std::path::Path;

use crate::engine::{Engine, answer};
use crate::{gantry, stderr, stdout};

fn context(home: &Path, folder: &str, name: &str, host: &str) {
    let folder = home.join(".docker/contexts/meta").join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let meta = format!(
        r#"{{"Name":"{name}","Metadata":{{"Description":"far away"}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#
    );
    std::fs::write(folder.join("meta.json"), meta).unwrap();
}

#[test]
fn contexts_are_listed_shown_and_used() {
    let engine = Engine::new(|_| answer("200 OK", r#"{"Name":"here"}"#));
    let home = engine.home();
    context(&home, "aa", "far", &engine.host());
    let run = |arguments: &[&str]| {
        let output = gantry(&home).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stdout(&output)
    };
    assert_eq!(run(&["context", "show"]), "default\n");
    assert_eq!(run(&["context", "use", "far"]), "far\n");
    assert!(run(&["context", "ls"]).starts_with("NAME      DESCRIPTION "));
    let list = run(&[
        "context",
        "ls",
        "--format",
        "{{.Name}} {{.Current}} {{.Description}} {{.DockerEndpoint}}",
    ]);
    assert_eq!(
        list,
        format!(
            "default false Current DOCKER_HOST based configuration unix:///run/gantry/gantry.sock\n\
             far true far away {}\n",
            engine.host()
        )
    );
    assert_eq!(run(&["info", "-f", "{{.Name}}"]), "here\n");
    assert_eq!(
        run(&["context", "inspect", "-f", "{{.Endpoints.docker.Host}}"]),
        engine.host() + "\n"
    );
    assert_eq!(run(&["context", "use", "default"]), "default\n");
    assert_eq!(
        run(&["--context", "far", "info", "-f", "{{.Name}}"]),
        "here\n"
    );
    let output = gantry(&home)
        .args(["--context", "nowhere", "ps"])
        .output()
        .unwrap();
    assert!(stderr(&output).contains("context not found"));
}

#[test]
fn a_login_is_kept_and_forgotten() {
    let engine = Engine::new(|_| {
        answer(
            "200 OK",
            r#"{"Status":"Login Succeeded","IdentityToken":""}"#,
        )
    });
    let home = engine.home();
    let password = home.join("password");
    std::fs::write(&password, "s3cret\n").unwrap();
    let output = gantry(&home)
        .args([
            "-H",
            &engine.host(),
            "login",
            "-u",
            "me",
            "--password-stdin",
            "reg:5000",
        ])
        .stdin(std::fs::File::open(&password).unwrap())
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "Login Succeeded\n", "{}", stderr(&output));
    let sent: String = String::from_utf8_lossy(&engine.calls()[0].body).into_owned();
    assert!(
        sent.contains(r#""username":"me""#) && sent.contains(r#""password":"s3cret""#),
        "{sent}"
    );
    let config = home.join(".docker/config.json");
    assert!(
        std::fs::read_to_string(&config)
            .unwrap()
            .contains("bWU6czNjcmV0")
    );
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(&config).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let output = gantry(&home).args(["logout", "reg:5000"]).output().unwrap();
    assert_eq!(stdout(&output), "Removing login credentials for reg:5000\n");
    assert!(
        !std::fs::read_to_string(&config)
            .unwrap()
            .contains("bWU6czNjcmV0")
    );
}

#[test]
fn it_runs_without_a_home_and_from_a_folder_that_is_gone() {
    let engine = Engine::new(|_| answer("200 OK", r#"{"Name":"here"}"#));
    for home in [None, Some(""), Some("/dev/null"), Some("relative")] {
        let mut command = gantry(Path::new("/"));
        command.env_remove("HOME").current_dir("/");
        if let Some(home) = home {
            command.env("HOME", home);
        }
        let output = command
            .args(["-H", &engine.host(), "info", "-f", "{{.Name}}"])
            .output()
            .unwrap();
        assert_eq!(
            stdout(&output),
            "here\n",
            "HOME={home:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn each_shell_gets_its_completion() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = gantry(home.path())
            .args(["completion", shell])
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(stdout(&output).contains("gantry"), "{shell}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_stops_nothing() {
    let engine = Engine::new(|_| answer("200 OK", r#"{"Name":"here"}"#));
    let home = engine.home();
    std::fs::create_dir(home.join(".docker")).unwrap();
    std::fs::write(home.join(".docker/config.json"), "{broken").unwrap();
    let output = gantry(&home)
        .args(["-H", &engine.host(), "info", "-f", "{{.Name}}"])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "here\n");
    assert!(
        stderr(&output).starts_with("WARNING: docker's configuration"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_credential_program_that_has_gone_stops_no_pull() {
    let engine = Engine::new(|_| answer("200 OK", "{\"status\":\"Status: here\"}\n"));
    let home = engine.home();
    std::fs::create_dir(home.join(".docker")).unwrap();
    std::fs::write(
        home.join(".docker/config.json"),
        r#"{"credsStore":"gantry-test-none"}"#,
    )
    .unwrap();
    let output = gantry(&home)
        .args(["-H", &engine.host(), "pull", "alpine:3"])
        .output()
        .unwrap();
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("docker-credential-gantry-test-none") && text.contains("without an account"),
        "{text}"
    );
}
