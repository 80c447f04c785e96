//! Further processes in a running container.

use gantry_runtime::{AttachOptions, ClientError, ExecSpec};
use tokio::io::AsyncWriteExt;

use crate::ground::{ALL, Ground, read, within};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn runs_inside_with_its_own_code_and_streams() {
    let ground = Ground::sleeper();
    ground.start().await;
    let (code, output) = ground
        .exec("hostname; echo err >&2; readlink /proc/1/exe; exit 5")
        .await;
    assert_eq!(code, 5);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("box\n/bin/busybox\n", "err\n")
    );
    ground.stop().await;
}

#[tokio::test]
async fn variables_user_and_folder() {
    let mut ground = Ground::sleeper();
    ground.spec.env = words("FROM=config BOTH=config");
    ground.spec.cwd = "/etc".into();
    ground.start().await;
    let exec = |user: Option<&str>| ExecSpec {
        args: ["sh", "-c", "pwd; echo $FROM $BOTH $HOME; id"]
            .map(str::to_owned)
            .to_vec(),
        env: words("BOTH=exec"),
        user: user.map(str::to_owned),
        ..ExecSpec::default()
    };
    let output = ground.exec_as(exec(None)).await.1.stdout;
    assert_eq!(
        output,
        "/etc\nconfig exec /root\nuid=0(root) gid=0(root) groups=0(root)\n"
    );
    let output = ground.exec_as(exec(Some("ann"))).await.1.stdout;
    let ann = "uid=1000(ann) gid=1001(annies) groups=50(staff),1001(annies)\n";
    assert_eq!(output, format!("/etc\nconfig exec /home/ann\n{ann}"));
    let output = ground.exec_as(exec(Some("77"))).await.1.stdout;
    assert!(
        output.starts_with("/etc\nconfig exec /\nuid=77 "),
        "{output}"
    );
    let unknown = ground
        .client()
        .exec(&ExecSpec {
            id: "u".into(),
            ..exec(Some("eve"))
        })
        .await;
    assert!(
        matches!(unknown, Err(ClientError::Invalid(text)) if text.contains("unable to find user eve"))
    );
    ground.stop().await;
}

#[tokio::test]
async fn failures_have_their_codes() {
    let ground = Ground::sleeper();
    ground.start().await;
    let exec = async |program: &str, cwd: Option<&str>| {
        let exec = ExecSpec {
            id: "f".into(),
            args: vec![program.into()],
            cwd: cwd.map(str::to_owned),
            ..ExecSpec::default()
        };
        ground.client().exec(&exec).await
    };
    let error = exec("nosuch", None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown"
    );
    assert!(matches!(error, ClientError::NotFound(_)));
    assert!(matches!(
        exec("/etc/passwd", None).await,
        Err(ClientError::NotExecutable(_))
    ));
    assert!(
        matches!(exec("true", Some("/no/such")).await, Err(ClientError::NotFound(text)) if text.contains("chdir to cwd"))
    );
    assert!(
        exec("true", None).await.is_ok(),
        "failures leave nothing in the way"
    );
    ground.stop().await;
    assert!(matches!(
        exec("true", None).await,
        Err(ClientError::Gone | ClientError::NotRunning)
    ));
}

#[tokio::test]
async fn input_ends_with_its_client() {
    let ground = Ground::sleeper();
    ground.start().await;
    let exec = ExecSpec {
        id: "c".into(),
        args: words("wc -c"),
        attach: ALL,
        ..ExecSpec::default()
    };
    let mut stream = ground.client().exec(&exec).await.unwrap().stream.unwrap();
    stream.stdin.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
    stream.stdin.shutdown().await.unwrap();
    assert_eq!(read(stream, false).await.stdout, "1048576\n");
    assert_eq!(within(ground.client().exec_exited("c")).await.unwrap(), 0);
    ground.stop().await;
}

#[tokio::test]
async fn is_confined_as_the_container_is() {
    let mut ground = Ground::sleeper();
    ground.spec.cap_drop = vec!["CHOWN".into()];
    ground.start().await;
    let status =
        "grep -E '^(Cap(Eff|Prm|Inh|Amb|Bnd)|Seccomp|NoNewPrivs|SigIgn|SigBlk):' /proc/self/status";
    let inside = ground.exec(&format!("{status}; unshare -m true; cat /proc/1/cgroup > /tmp/a; cat /proc/self/cgroup > /tmp/b; cmp /tmp/a /tmp/b || busybox cmp /tmp/a /tmp/b")).await;
    let (_, output) = inside;
    for line in [
        "Seccomp:\t2",
        "NoNewPrivs:\t0",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "CapEff:\t00000000a80425fa",
    ] {
        assert!(output.stdout.contains(line), "{line} in {}", output.stdout);
    }
    assert!(
        output.stdout.contains("SigIgn:\t0000000000000000")
            && output.stdout.contains("SigBlk:\t0000000000000000")
    );
    assert!(output.stderr.contains("unshare"), "{output:?}");
    let fds = ground.exec("ls /proc/self/fd").await.1.stdout;
    assert_eq!(fds, "0\n1\n2\n3\n", "the last is ls' own");
    let user = ExecSpec {
        args: words("grep Cap(Prm|Eff) -E /proc/self/status"),
        user: Some("ann".into()),
        ..ExecSpec::default()
    };
    assert_eq!(
        ground.exec_as(user).await.1.stdout,
        "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
    );
    let all = ExecSpec {
        args: words("grep CapEff /proc/self/status"),
        privileged: true,
        ..ExecSpec::default()
    };
    let eff = ground.exec_as(all).await.1.stdout;
    assert_ne!(eff, "CapEff:\t00000000a80425fa\n");
    ground.stop().await;
}

/// What root in the container puts in the place of `/dev/null` is not opened by who enters with all capabilities.
#[tokio::test]
async fn a_false_null_device_is_not_opened() {
    let ground = Ground::sleeper();
    ground.start().await;
    let script = "readlink /proc/self/fd/0; cat; chmod 600 /proc/self/fd/0";
    assert_eq!(ground.exec(script).await.1.stdout, "/dev/null\n");
    for spoil in [
        "rm /dev/null; ln -s /etc/passwd /dev/null",
        "rm /dev/null; echo text > /dev/null",
        "rm /dev/null; mknod /dev/null c 1 5",
        "rm /dev/null",
    ] {
        ground.exec(spoil).await;
        let (_, output) = ground.exec(script).await;
        let path = output.stdout.trim_end();
        assert!(
            !path.contains("passwd") && !path.contains('\n') && !output.stdout.contains("text"),
            "{spoil}: {output:?}"
        );
        assert!(
            output.stderr.contains("Read-only file system"),
            "the host's device was changed after {spoil}: {output:?}"
        );
        let unread = ExecSpec {
            args: words("true"),
            ..ExecSpec::default()
        };
        assert_eq!(ground.exec_as(unread).await.0, 0);
    }
    ground.stop().await;
}

#[tokio::test]
async fn without_streams_it_runs_by_itself() {
    let ground = Ground::sleeper();
    ground.start().await;
    let exec = ExecSpec {
        id: "d".into(),
        args: ["sh", "-c", "echo lost; echo kept > /kept; exit 6"]
            .map(str::to_owned)
            .to_vec(),
        ..ExecSpec::default()
    };
    let started = ground.client().exec(&exec).await.unwrap();
    assert!(started.stream.is_none() && started.pid > 0);
    assert_eq!(within(ground.client().exec_exited("d")).await.unwrap(), 6);
    assert_eq!(
        std::fs::read_to_string(ground.rootfs().join("kept")).unwrap(),
        "kept\n"
    );
    ground.stop().await;
}

#[tokio::test]
async fn only_the_last_ended_are_remembered() {
    let ground = Ground::sleeper();
    ground.start().await;
    for number in 0..70 {
        let exec = ExecSpec {
            id: format!("n{number}"),
            args: words("true"),
            ..ExecSpec::default()
        };
        ground.client().exec(&exec).await.unwrap();
        within(ground.client().exec_exited(&exec.id)).await.unwrap();
    }
    assert!(matches!(
        ground.client().exec_exited("n0").await,
        Err(ClientError::NoSuchExec(_))
    ));
    assert_eq!(ground.client().exec_exited("n69").await.unwrap(), 0);
    assert!(ground.client().state().await.unwrap().execs.len() <= 64);
    ground.stop().await;
}

#[tokio::test]
async fn ends_with_the_container() {
    let ground = Ground::sleeper();
    ground.start().await;
    let want = AttachOptions {
        stdin: false,
        ..ALL
    };
    let exec = ExecSpec {
        id: "e".into(),
        args: words("sleep 1000"),
        attach: want,
        ..ExecSpec::default()
    };
    let stream = ground.client().exec(&exec).await.unwrap().stream.unwrap();
    let client = ground.client();
    let waiting = tokio::spawn(async move { client.exec_exited("e").await });
    // Asked before the end.
    ground.client().state().await.unwrap();
    ground.stop().await;
    read(stream, false).await;
    assert!(matches!(
        within(waiting).await.unwrap(),
        Ok(137) | Err(ClientError::Gone | ClientError::NotRunning)
    ));
}

#[tokio::test]
async fn many_at_once() {
    let ground = Ground::sleeper();
    ground.start().await;
    let ground = std::sync::Arc::new(ground);
    let all: Vec<_> = (0..16)
        .map(|number| {
            let ground = std::sync::Arc::clone(&ground);
            tokio::spawn(async move { ground.exec(&format!("seq 1 1000; exit {number}")).await })
        })
        .collect();
    for (number, exec) in all.into_iter().enumerate() {
        let (code, output) = exec.await.unwrap();
        assert_eq!(
            (code, output.stdout.lines().count()),
            (i32::try_from(number).unwrap(), 1000)
        );
    }
    ground.stop().await;
}
