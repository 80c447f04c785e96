//! Who dies before whom.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use gantry_runtime::cgroup::Cgroup;
use gantry_runtime::{ClientError, shim};

use crate::ground::{Ground, until, within};

/// The shim's process id: the parent of the container's first process, once the worker that made it is gone.
pub async fn shim_of(pid: u32) -> i32 {
    let mut shim = 0;
    until("the worker has gone", async || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))
            .unwrap();
        shim = parent.trim().parse().unwrap();
        fs::read_to_string(format!("/proc/{shim}/comm")).is_ok_and(|name| name == "gantry-shim\n")
    })
    .await;
    shim
}

fn kill(pid: i32) {
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

#[tokio::test]
async fn what_a_killed_shim_leaves_is_cleaned_up() {
    let ground = Ground::sleeper();
    let pid = ground.start().await.pid;
    assert!(
        shim::reap_orphan(&ground.dirs()).await.is_err(),
        "the shim lives"
    );
    let waiting = tokio::spawn({
        let client = ground.client();
        async move { client.exited().await }
    });
    ground.client().state().await.unwrap();
    kill(shim_of(pid).await);
    assert!(matches!(
        within(waiting).await.unwrap(),
        Err(ClientError::Gone)
    ));
    assert!(matches!(
        ground.client().state().await,
        Err(ClientError::Gone)
    ));
    let exit = within(shim::reap_orphan(&ground.dirs())).await.unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    assert!(exit.error.is_some());
    assert!(!Cgroup::open(&ground.spec.cgroup_path()).unwrap().exists());
    assert!(!ground.dirs().state.exists());
    assert!(!fs::exists(format!("/proc/{pid}/ns/mnt")).unwrap());
    assert_eq!(
        within(shim::reap_orphan(&ground.dirs())).await.unwrap(),
        exit,
        "does nothing twice"
    );
    assert_eq!(ground.exited().await, exit);
    // And it can run again.
    ground.start().await;
    assert_eq!(ground.stop().await.error, None);
}

/// The exit is on disk before the shim does anything that may last.
#[tokio::test]
async fn the_exit_is_known_though_the_shim_is_killed_while_it_cleans_up() {
    let mut ground = Ground::script("while ! test -e /go; do sleep 0.01; done; sleep 0.01; exit 7");
    // An OCI runtime whose first clean-up hangs.
    let (program, mark) = (ground.path().join("slow-runc"), ground.path().join("mark"));
    let script = format!(
        "#!/bin/sh\nfor word; do [ $word = delete ] && [ ! -e {0} ] && {{ echo $$ > {0}; exec sleep 1000; }}; done\n\
         exec runc \"$@\"\n",
        mark.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    ground.runtime = gantry_runtime::Runtime::Program {
        name: "slow".into(),
        path: program,
    };
    let shim = shim_of(ground.start().await.pid).await;
    fs::write(ground.rootfs().join("go"), "").unwrap();
    until("the clean-up hangs", async || {
        fs::read_to_string(&mark).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    kill(shim);
    kill(fs::read_to_string(&mark).unwrap().trim().parse().unwrap());
    until("the shim is gone", async || {
        ground.client().state().await.is_err()
    })
    .await;
    let exit = within(shim::reap_orphan(&ground.dirs())).await.unwrap();
    assert_eq!((exit.code, exit.error), (7, None));
    assert!(!ground.dirs().state.exists());
}

/// A start that was killed, or a full disk, must not stand in the way of every later one.
#[tokio::test]
async fn what_a_killed_start_has_half_written_is_removed() {
    let ground = Ground::script("exit 3");
    let dirs = ground.dirs();
    fs::create_dir_all(&dirs.state).unwrap();
    fs::create_dir_all(&dirs.data).unwrap();
    fs::write(dirs.shim_json(), "{\"id\":\"ab").unwrap();
    assert_eq!(within(shim::reap_orphan(&dirs)).await.unwrap().code, 137);
    assert!(!dirs.state.exists());
    fs::create_dir_all(&dirs.state).unwrap();
    fs::write(dirs.shim_json(), "").unwrap();
    assert_eq!(ground.run().await.0.code, 3);
}

#[tokio::test]
async fn a_shim_outlives_the_one_who_started_it() {
    let ground = Ground::sleeper();
    // Another process of this test program starts the container, and is killed with its whole group.
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this)
        .args(["--exact", "orphan::starts_for_another", "--ignored"])
        .env(
            "GANTRY_TEST_START",
            serde_json::to_string(&(
                &ground.spec,
                ground.dirs(),
                &ground.host.shim,
                &ground.host.init,
            ))
            .unwrap(),
        )
        .process_group(0)
        .spawn()
        .unwrap();
    until("the container runs", async || {
        ground
            .client()
            .state()
            .await
            .is_ok_and(|state| state.execs.is_empty() && state.pid > 0)
    })
    .await;
    until("its program runs", async || ground.exec_works().await).await;
    // SAFETY: takes numbers; the group is the child's own.
    unsafe { libc::kill(-child.id().cast_signed(), libc::SIGKILL) };
    child.wait().unwrap();
    assert_eq!(ground.exec("echo alive").await.1.stdout, "alive\n");
    assert_eq!(ground.stop().await.code, 137);
}

/// Not a test: what the one above runs in another process.
#[tokio::test]
#[ignore = "run by another test"]
async fn starts_for_another() {
    let Ok(text) = std::env::var("GANTRY_TEST_START") else {
        return;
    };
    let (spec, dirs, program, init): (
        _,
        gantry_runtime::Dirs,
        std::path::PathBuf,
        std::path::PathBuf,
    ) = serde_json::from_str(&text).unwrap();
    let exec_root = init.parent().unwrap().to_owned();
    let hierarchies = gantry_runtime::cgroup::Hierarchies::detect().unwrap();
    let host = gantry_runtime::Host::detect(program, &exec_root, &hierarchies).unwrap();
    let request = gantry_runtime::StartRequest {
        dirs,
        spec,
        runtime: gantry_runtime::Runtime::Builtin,
        log: gantry_runtime::log::Config::default(),
        attach: Vec::new(),
    };
    shim::start(&host, request).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_engine_that_leaves_before_the_go_leaves_nothing() {
    // What `start` writes, taken from a container that runs; then a shim without an engine.
    let ground = Ground::sleeper();
    ground.start().await;
    let (config, boot) = (
        fs::read(ground.dirs().config_json()).unwrap(),
        fs::read(ground.dirs().shim_json()).unwrap(),
    );
    ground.stop().await;
    fs::create_dir(&ground.dirs().state).unwrap();
    fs::write(ground.dirs().config_json(), config).unwrap();
    fs::write(ground.dirs().shim_json(), boot).unwrap();
    let mut shim = Command::new(&ground.host.shim)
        .arg(&ground.dirs().state)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    shim.wait().unwrap();
    until("the shim has gone", async || !ground.dirs().state.exists()).await;
    assert!(!Cgroup::open(&ground.spec.cgroup_path()).unwrap().exists());
}
