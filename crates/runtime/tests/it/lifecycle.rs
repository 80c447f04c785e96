//! From start to end.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use gantry_runtime::{ClientError, StartError};

use crate::ground::{Ground, bind, until, within};

#[tokio::test]
async fn runs_and_tells_how_it_ended() {
    let ground = Ground::script("echo out; echo err >&2; exit 7");
    let (exit, output) = ground.run().await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (7, None, false));
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert!(
        !ground.dirs().state.exists(),
        "the shim leaves nothing in the state folder"
    );
    assert!(ground.dirs().exit_json().exists());
    // Long after.
    assert_eq!(ground.exited().await, exit);
    assert!(matches!(
        ground.client().kill(15).await,
        Err(ClientError::Gone | ClientError::NotRunning)
    ));
}

#[tokio::test]
async fn runs_again_after_its_end() {
    let ground = Ground::script("echo x >> /count; exit $(wc -l < /count)");
    for code in 1..=3 {
        assert_eq!(ground.run().await.0.code, code);
    }
}

#[tokio::test]
async fn one_at_a_time() {
    let ground = Ground::sleeper();
    ground.start().await;
    assert!(matches!(
        ground.start_attached(&[]).await,
        Err(StartError::Running)
    ));
    assert!(
        ground.client().state().await.is_ok(),
        "the first still runs"
    );
    assert_eq!(ground.stop().await.signal, Some(9));
}

#[tokio::test]
async fn signals_arrive() {
    let ground =
        Ground::script("trap 'exit 42' TERM; echo ready > /ready; while :; do sleep 0.1; done");
    ground.start().await;
    until("the trap is set", async || {
        ground.rootfs().join("ready").exists()
    })
    .await;
    ground.client().kill(15).await.unwrap();
    assert_eq!(ground.exited().await.code, 42);

    let ground = Ground::sleeper();
    ground.start().await;
    assert!(matches!(
        ground.client().kill(0).await,
        Err(ClientError::Invalid(_))
    ));
    ground.client().kill(9).await.unwrap();
    let exit = ground.exited().await;
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

#[tokio::test]
async fn everybody_who_waits_is_told() {
    let ground = Ground::sleeper();
    ground.start().await;
    let waits: Vec<_> = (0..20)
        .map(|_| {
            let client = ground.client();
            tokio::spawn(async move { client.exited().await.unwrap() })
        })
        .collect();
    let killed = ground.stop().await;
    for wait in waits {
        assert_eq!(within(wait).await.unwrap(), killed);
    }
}

#[tokio::test]
async fn a_missing_program_is_127() {
    let check = async |args: &[&str], text: &str| {
        let mut ground = Ground::new();
        ground.spec.args = args.iter().map(ToString::to_string).collect();
        let error = ground.start_attached(&[]).await.unwrap_err();
        assert!(matches!(error, StartError::NotFound(_)), "{error}");
        assert_eq!(error.exit_code(), 127);
        assert!(error.to_string().ends_with(text), "{error}");
        assert!(!ground.dirs().state.exists(), "nothing is left");
        assert!(
            !gantry_runtime::cgroup::Cgroup::open(&ground.spec.cgroup_path())
                .unwrap()
                .exists()
        );
    };
    check(
        &["nosuch"],
        r#"exec: "nosuch": executable file not found in $PATH: unknown"#,
    )
    .await;
    check(
        &["/bin/nosuch"],
        r#"exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory: unknown"#,
    )
    .await;
}

#[tokio::test]
async fn a_program_that_cannot_run_is_126() {
    let check = async |program: &str, text: &str| {
        let mut ground = Ground::new();
        fs::write(ground.rootfs().join("plain"), "text").unwrap();
        fs::write(ground.rootfs().join("garbage"), [0x7f, 1, 2, 3]).unwrap();
        fs::set_permissions(
            ground.rootfs().join("garbage"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        ground.spec.args = vec![program.into()];
        let error = ground.start_attached(&[]).await.unwrap_err();
        assert!(matches!(error, StartError::NotExecutable(_)), "{error}");
        assert_eq!(error.exit_code(), 126);
        assert!(error.to_string().contains(text), "{error}");
        assert!(!ground.dirs().state.exists(), "nothing is left");
    };
    check("/plain", r#"exec: "/plain": permission denied"#).await;
    check("/etc", r#"exec: "/etc": is a directory"#).await;
    check("/garbage", "exec format error").await;
}

#[tokio::test]
async fn a_script_without_its_interpreter_is_127() {
    let mut ground = Ground::new();
    fs::write(ground.rootfs().join("script"), "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(
        ground.rootfs().join("script"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    ground.spec.args = vec!["/script".into()];
    let error = ground.start_attached(&[]).await.unwrap_err();
    assert!(matches!(error, StartError::NotFound(_)), "{error}");
}

#[tokio::test]
async fn variables_keep_their_order_and_have_dockers_defaults() {
    let mut ground = Ground::script("env");
    ground.spec.env = ["B=1", "A=2", "B2=x=y", "EMPTY=", "TWO=first", "TWO=second"]
        .map(str::to_owned)
        .to_vec();
    let output = ground.run().await.1.stdout;
    let lines: Vec<_> = output
        .lines()
        .filter(|line| !line.starts_with("SHLVL") && !line.starts_with("PWD"))
        .collect();
    let path = format!(
        "PATH={}",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    // The shell sorts nothing, but it may put its own anywhere.
    for wanted in [
        path.as_str(),
        "HOSTNAME=box",
        "B=1",
        "A=2",
        "B2=x=y",
        "EMPTY=",
        "TWO=second",
        "HOME=/root",
    ] {
        assert_eq!(
            lines.iter().filter(|line| **line == wanted).count(),
            1,
            "{wanted} in {lines:?}"
        );
    }
    assert_eq!(lines.len(), 8, "{lines:?}");
}

#[tokio::test]
async fn the_working_directory_is_made() {
    let mut ground = Ground::script("pwd");
    ground.spec.cwd = "/made/for/it".into();
    assert_eq!(ground.run().await.1.stdout, "/made/for/it\n");
}

#[tokio::test]
async fn the_working_directory_is_made_in_its_volume() {
    let volume = tempfile::tempdir().unwrap();
    let mut ground = Ground::script("pwd; touch here");
    ground.spec.mounts = vec![bind(volume.path(), "/v")];
    ground.spec.cwd = "/v/a/b".into();
    assert_eq!(ground.run().await.1.stdout, "/v/a/b\n");
    assert!(volume.path().join("a/b/here").exists());
}

/// CVE-2019-5736: a container can get at the shim's file behind `/proc/self/exe`.
#[tokio::test]
async fn the_shims_file_cannot_be_changed_through_its_process() {
    let ground = Ground::sleeper();
    let pid = ground.start().await.pid;
    let shim = crate::orphan::shim_of(pid).await;
    let exe = format!("/proc/{shim}/exe");
    let touched = rustix::fs::utimensat(
        rustix::fs::CWD,
        &exe,
        &rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_NOW,
            },
            last_modification: rustix::fs::Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_NOW,
            },
        },
        rustix::fs::AtFlags::empty(),
    );
    assert_eq!(touched, Err(rustix::io::Errno::ROFS), "{exe}");
    assert_eq!(
        fs::read_to_string(format!("/proc/{shim}/comm")).unwrap(),
        "gantry-shim\n"
    );
    ground.stop().await;
}

#[tokio::test]
async fn a_root_with_a_link_for_dev_writes_nothing_on_the_host() {
    let ground = Ground::script("true");
    let host = tempfile::tempdir().unwrap();
    fs::remove_dir(ground.rootfs().join("dev")).unwrap();
    symlink(host.path(), ground.rootfs().join("dev")).unwrap();
    assert!(matches!(
        ground.start_attached(&[]).await,
        Err(StartError::Runtime(_))
    ));
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_runtime_cannot_do_is_said_with_its_reason() {
    let mut ground = Ground::script("true");
    ground.spec.mounts = vec![bind("/no/such/source".as_ref(), "/x")];
    let error = ground.start_attached(&[]).await.unwrap_err();
    assert!(matches!(error, StartError::Runtime(_)), "{error}");
    assert!(error.to_string().contains("/no/such/source"), "{error}");
    assert!(!ground.dirs().state.exists(), "nothing is left");
}

#[tokio::test]
async fn folders_deeper_than_a_sockets_address() {
    let mut ground = Ground::script("sleep 1000 & echo up; wait");
    ground.deepen();
    assert!(ground.dirs().state.as_os_str().len() > 200);
    ground.start().await;
    assert_eq!(ground.exec("echo hi").await.1.stdout, "hi\n");
    assert_eq!(ground.stop().await.code, 137);
}

#[tokio::test]
async fn the_log_is_complete_when_the_end_is_told() {
    let ground = Ground::script("seq 1 20000; printf unfinished");
    ground.start().await;
    ground.exited().await;
    let mut text = String::new();
    let mut files: Vec<_> = fs::read_dir(ground.dirs().data.join("log"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files {
        text.push_str(&fs::read_to_string(file).unwrap());
    }
    assert_eq!(text.lines().count(), 20001);
    assert!(text.lines().last().unwrap().contains("unfinished"));
}

/// Docker refuses such a start; a container whose output is lost in silence helps nobody.
#[tokio::test]
async fn without_a_log_it_does_not_start() {
    let ground = Ground::script("echo lost");
    let data = ground.dirs().data;
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("log"), "no folder").unwrap();
    let error = ground.start_attached(&[]).await.unwrap_err();
    assert!(matches!(error, StartError::Log(_)), "{error:?}");
    assert!(
        error.to_string().starts_with(
            "failed to create task for container: failed to initialize logging driver: "
        ),
        "{error}"
    );
    assert!(!ground.dirs().state.exists());
    fs::remove_file(data.join("log")).unwrap();
    assert_eq!(ground.run().await.1.stdout, "lost\n");
}

/// A lock that whoever started the engine held, say.
#[tokio::test]
async fn the_shim_holds_nothing_that_it_was_not_given() {
    let ground = Ground::sleeper();
    let file = fs::File::create(ground.path().join("lock")).unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let shim = crate::orphan::shim_of(ground.start().await.pid).await;
    let open: Vec<_> = fs::read_dir(format!("/proc/{shim}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .collect();
    assert!(
        !open.contains(&ground.path().join("lock")) && !open.is_empty(),
        "{open:?}"
    );
    ground.stop().await;
}
