//! Other OCI runtimes.

use gantry_runtime::spec::ConsoleSize;
use gantry_runtime::{ClientError, ExecSpec, Runtimes, RuntimesError, StartError};

use crate::ground::{ALL, Ground, read, within};

fn runc(script: &str) -> Ground {
    let mut ground = Ground::script(script);
    ground.runtime = Runtimes::new([], None)
        .unwrap()
        .get(Some("runc"))
        .expect("runc is not installed");
    ground
}

#[tokio::test]
async fn runc_runs_and_ends() {
    let ground = runc("echo out; echo err >&2; exit 7");
    let (exit, output) = ground.run().await;
    assert_eq!(
        (exit.code, output.stdout.as_str(), output.stderr.as_str()),
        (7, "out\n", "err\n")
    );
    assert!(!ground.dirs().state.exists());
    assert!(
        !gantry_runtime::cgroup::Cgroup::open(&ground.spec.cgroup_path())
            .unwrap()
            .exists()
    );
}

#[tokio::test]
async fn runc_is_confined_too() {
    let ground = runc(
        "grep -E 'Seccomp:|CapEff|SigIgn' /proc/self/status; for folder in /sys/fs/cgroup/*; do mkdir $folder/mine 2>/dev/null && echo made; done; sh -c 'echo forks'; unshare -m true || echo no",
    );
    let output = ground.run().await.1.stdout;
    assert_eq!(
        output,
        "SigIgn:\t0000000000000000\nCapEff:\t00000000a80425fb\nSeccomp:\t2\nforks\nno\n"
    );
}

#[tokio::test]
async fn runc_execs() {
    let ground = runc("sleep 1000 & wait");
    ground.start().await;
    let (code, output) = ground.exec("hostname; echo err >&2; exit 3").await;
    assert_eq!(
        (code, output.stdout.as_str(), output.stderr.as_str()),
        (3, "box\n", "err\n")
    );
    let missing = ExecSpec {
        id: "m".into(),
        args: vec!["nosuch".into()],
        ..ExecSpec::default()
    };
    assert!(matches!(
        ground.client().exec(&missing).await,
        Err(ClientError::NotFound(_))
    ));
    let exec = ExecSpec {
        id: "t".into(),
        args: ["sh", "-c", "stty size; exit 4"]
            .map(str::to_owned)
            .to_vec(),
        tty: true,
        attach: ALL,
        console_size: Some(ConsoleSize {
            height: 9,
            width: 8,
        }),
        ..ExecSpec::default()
    };
    let stream = ground.client().exec(&exec).await.unwrap().stream.unwrap();
    // runc has started it before the size can be set.
    assert!(read(stream, true).await.stdout.ends_with("\r\n"));
    assert_eq!(within(ground.client().exec_exited("t")).await.unwrap(), 4);
    assert_eq!(ground.stop().await.signal, Some(9));
}

#[tokio::test]
async fn runc_has_terminals() {
    let mut ground = runc("stty size; tty");
    ground.spec.tty = true;
    ground.spec.console_size = Some(ConsoleSize {
        height: 9,
        width: 8,
    });
    let mut started = ground.start_attached(&[ALL]).await.unwrap();
    assert_eq!(
        read(started.attached.remove(0), true).await.stdout,
        "9 8\r\n/dev/pts/0\r\n"
    );
    assert_eq!(ground.exited().await.code, 0);
}

#[tokio::test]
async fn runc_says_what_is_wrong() {
    let mut ground = runc("");
    ground.spec.args = vec!["nosuch".into()];
    let error = ground.start_attached(&[]).await.unwrap_err();
    assert!(matches!(error, StartError::NotFound(_)), "{error}");
    ground.spec.args = vec!["/etc/passwd".into()];
    let error = ground.start_attached(&[]).await.unwrap_err();
    assert!(matches!(error, StartError::NotExecutable(_)), "{error}");
    assert!(!ground.dirs().state.exists());
}

#[test]
fn runtimes_have_names() {
    let here = std::env::current_exe().unwrap();
    let runtimes = Runtimes::new([("mine".to_owned(), here)], Some("mine")).unwrap();
    assert_eq!(runtimes.get(None).unwrap().name(), "mine");
    assert_eq!(runtimes.get(Some("gantry")).unwrap().name(), "gantry");
    assert!(matches!(
        runtimes.get(Some("other")),
        Err(RuntimesError::Unknown(_))
    ));
    assert!(matches!(
        Runtimes::new([("x".to_owned(), "/no/such".into())], None),
        Err(RuntimesError::Missing { .. })
    ));
    assert!(matches!(
        Runtimes::new([("gantry".to_owned(), "/bin/true".into())], None),
        Err(RuntimesError::Reserved)
    ));
    assert!(Runtimes::new([], Some("other")).is_err());
}
