use clap::Parser;

use super::ContainerFlags;

#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    flags: ContainerFlags,
}

fn body(arguments: &[&str]) -> String {
    let line = Line::try_parse_from(std::iter::once(&"x").chain(arguments)).unwrap();
    match line.flags.body("alpine", &["ls".to_owned()]) {
        Ok(body) => serde_json::to_string_pretty(&body).unwrap(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn the_body_of_a_plain_container() {
    insta::assert_snapshot!(body(&[]));
}

#[test]
fn flags_become_the_apis_fields() {
    insta::assert_snapshot!(body(&[
        "-it",
        "--rm",
        "--name",
        "n",
        "-p",
        "127.0.0.1:8080:80",
        "-P",
        "-v",
        "data:/data:ro",
        "-v",
        "/anon",
        "--mount",
        "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700",
        "-e",
        "A=b",
        "-w",
        "/w",
        "-u",
        "1:2",
        "-l",
        "k=v",
        "--entrypoint",
        "sh",
        "--network",
        "none",
        "-h",
        "host",
        "--add-host",
        "a:1.2.3.4",
        "--dns",
        "1.1.1.1",
        "-m",
        "64m",
        "--memory-swap=-1",
        "--cpus",
        "1.5",
        "--cpu-shares",
        "512",
        "--cpuset-cpus",
        "0-1",
        "--pids-limit=-1",
        "--cap-add",
        "NET_ADMIN",
        "--cap-drop",
        "ALL",
        "--privileged",
        "--read-only",
        "--tmpfs",
        "/run:size=1m",
        "--device",
        "/dev/null:/dev/x:r",
        "--ulimit",
        "nofile=10:20",
        "--sysctl",
        "net.x=1",
        "--security-opt",
        "no-new-privileges",
        "--init",
        "--stop-signal",
        "INT",
        "--stop-timeout",
        "3",
        "--shm-size",
        "1g",
        "--oom-score-adj",
        "5",
        "--userns",
        "host",
        "--cgroupns",
        "private",
        "--runtime",
        "runc",
        "--log-driver",
        "none",
        "--log-opt",
        "max-size=1m",
        "--health-cmd",
        "true",
        "--health-interval",
        "1m30s",
        "--ip",
        "10.0.0.2",
    ]));
}

#[test]
fn what_means_nothing_is_refused() {
    let errors: Vec<_> = [
        &["--rm", "--restart", "always"][..],
        &["--restart", "sometimes"],
        &["--restart", "on-failure:x"],
        &["-w", "relative"],
        &["--ulimit", "nofile=20:10"],
        &["--ulimit", "nofile"],
        &["--device", "/a:/b:z"],
        &["--mount", "type=bind,source=/x"],
        &["--mount", "type=weird,target=/x"],
        &["--mount", "target=/x,colour=red"],
        &["--mount", "type=bind,target"],
        &["--mount", "type=volume,target=/x,bind-propagation=shared"],
        &["--mount", "type=tmpfs,target=/x,volume-nocopy"],
        &["--ulimit", "nofiles=1"],
        &["-v", ":/x"],
        &["--add-host", "x"],
        &["--security-opt", "seccomp=/no/such/profile"],
        &["--no-healthcheck", "--health-cmd", "x"],
        &["--env-file", "/no/such/file"],
        &["-e", "=x"],
        &["--network", "alias=x"],
        &["--blkio-weight-device", "/x:1"],
    ]
    .iter()
    .map(|arguments| body(arguments))
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_relative_source_is_this_folders() {
    let here = std::env::current_dir().unwrap();
    let bind = |source: &str| {
        let body = body(&["-v", &format!("{source}:/x")]);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["HostConfig"]["Binds"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(bind("."), format!("{}:/x", here.display()));
    assert_eq!(bind(".cache"), format!("{}/.cache:/x", here.display()));
    assert_eq!(bind("./a/../b"), format!("{}/b:/x", here.display()));
    assert_eq!(bind("data"), "data:/x");
}

#[test]
fn a_variable_without_a_value_here_is_told_to_the_engine() {
    let body = body(&["-e", "GANTRY_TEST_NO_SUCH_VARIABLE", "-e", "A=b"]);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["Env"],
        serde_json::json!(["GANTRY_TEST_NO_SUCH_VARIABLE", "A=b"])
    );
}
