//! What keeps a container in.

use std::collections::HashSet;
use std::fs;

use gantry_runtime::StartError;
use gantry_runtime::spec::{
    Device, IpcNamespace, Mount, MountKind, Namespace, NetworkNamespace, Seccomp, Ulimit,
};

use crate::ground::{Ground, bind};

#[tokio::test]
async fn a_plain_container_is_shut_in() {
    let ground = Ground::script(
        "grep -E '^(Seccomp|NoNewPrivs|CapEff|CapAmb|SigIgn|SigBlk):' /proc/self/status | tr -d '\\t'
         ls /proc/self/fd | tr '\\n' ' '; echo
         mount -t tmpfs x /tmp 2>/dev/null || echo no mount
         unshare -m true 2>/dev/null || echo no unshare
         cat /proc/kcore /proc/timer_list 2>/dev/null | wc -c
         echo 1 > /proc/sys/kernel/panic 2>/dev/null || echo no sysctl
         ls /sys/firmware | wc -l
         echo $$",
    );
    let output = ground.run().await.1.stdout;
    let wanted = "CapEff:00000000a80425fb CapAmb:0000000000000000 NoNewPrivs:0 Seccomp:2 SigBlk:0000000000000000 SigIgn:0000000000000000";
    let lines: HashSet<_> = output.lines().collect();
    for line in wanted.split(' ') {
        assert!(lines.contains(line), "{line} in {output}");
    }
    for line in ["0 1 2 3 ", "no mount", "no unshare", "0", "no sysctl", "1"] {
        assert!(lines.contains(line), "{line} in {output}");
    }
}

/// Defect: on cgroup v1 the option `ro` of the cgroup mount was ignored.
#[tokio::test]
async fn cgroups_cannot_be_changed_from_inside() {
    let mut ground = Ground::script(
        "cd /sys/fs/cgroup; for folder in . *; do mkdir $folder/mine 2>/dev/null && echo made $folder; done
         echo 1000000000 > memory/memory.limit_in_bytes 2>/dev/null && echo raised
         echo 1000000000 > memory.max 2>/dev/null && echo raised
         touch /sys/fs/cgroup/x 2>&1; cat memory/memory.limit_in_bytes memory.max 2>/dev/null",
    );
    ground.spec.resources.memory = Some(64 << 20);
    let output = ground.run().await.1.stdout;
    assert!(
        !output.contains("made") && !output.contains("raised"),
        "{output}"
    );
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(output.ends_with("67108864\n"), "{output}");
}

#[tokio::test]
async fn capabilities_are_added_and_dropped() {
    let mut ground =
        Ground::script("grep CapEff /proc/self/status; chroot / true && echo chrooted");
    ground.spec.cap_drop = vec!["ALL".into()];
    let output = ground.run().await.1.stdout;
    assert_eq!(output, "CapEff:\t0000000000000000\n");
    ground.spec.cap_add = vec!["sys_chroot".into()];
    assert_eq!(
        ground.run().await.1.stdout,
        "CapEff:\t0000000000040000\nchrooted\n"
    );
    ground.spec.cap_add = vec!["FLY".into()];
    assert!(matches!(
        ground.start_attached(&[]).await,
        Err(StartError::Spec(_))
    ));
}

#[tokio::test]
async fn namespaces_cannot_be_made_by_clone() {
    let ground = Ground::sleeper();
    ground.start().await;
    // The container's own filter, in a thread of this process.
    let filter = fs::read(ground.dirs().state.join("filter.bpf")).unwrap();
    let (_, program) = filter.split_first_chunk::<4>().unwrap();
    let program: Vec<_> = program
        .as_chunks::<8>()
        .0
        .iter()
        .map(|chunk| u64::from_ne_bytes(*chunk))
        .collect();
    let thread = std::thread::spawn(move || {
        let load = libc::sock_fprog {
            len: program.len().try_into().unwrap(),
            filter: program.as_ptr().cast_mut().cast(),
        };
        // SAFETY: the list of instructions lives through the call.
        let loaded = unsafe { libc::syscall(libc::SYS_seccomp, 1, 0, &raw const load) };
        assert_eq!(loaded, 0);
        // SAFETY: a new namespace with an invalid combination of flags makes no process in either case.
        let with = unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::CLONE_NEWUSER | libc::CLONE_FS,
                0,
                0,
                0,
                0,
            )
        };
        let refused = (with, std::io::Error::last_os_error().raw_os_error());
        // SAFETY: an invalid combination: the kernel's own EINVAL shows that the filter let it through.
        let without = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_SIGHAND, 0, 0, 0, 0) };
        let without = (without, std::io::Error::last_os_error().raw_os_error());
        // SAFETY: there is no such call.
        let missing = unsafe { libc::syscall(9999, 0) };
        let missing = (missing, std::io::Error::last_os_error().raw_os_error());
        (refused, without, missing)
    });
    let (with, without, missing) = thread.join().unwrap();
    assert_eq!(missing, (-1, Some(libc::ENOSYS)));
    assert_eq!(with, (-1, Some(libc::EPERM)));
    assert_eq!(without, (-1, Some(libc::EINVAL)));
    ground.stop().await;
}

#[tokio::test]
async fn filters_of_ones_own_and_none() {
    let mut ground = Ground::script("grep Seccomp: /proc/self/status; mkdir /x && echo made");
    ground.spec.security.seccomp = Seccomp::Unconfined;
    assert_eq!(ground.run().await.1.stdout, "Seccomp:\t0\nmade\n");
    fs::remove_dir(ground.rootfs().join("x")).unwrap();
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}"#;
    ground.spec.security.seccomp = Seccomp::Profile(profile.into());
    assert_eq!(ground.run().await.1.stdout, "Seccomp:\t2\n");
    ground.spec.security.no_new_privileges = true;
    assert_eq!(ground.run().await.1.stdout, "Seccomp:\t2\n");
    ground.spec.security.seccomp = Seccomp::Profile("{".into());
    assert!(matches!(
        ground.start_attached(&[]).await,
        Err(StartError::Spec(_))
    ));
}

/// As `--privileged -v /dev/bus/usb:/dev/bus/usb`: nodes are neither made twice, nor in the host's folder.
#[tokio::test]
async fn a_privileged_container_may_be_given_a_folder_of_devices() {
    let mut ground = Ground::script("test -c /dev/null && echo null");
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("own"), "").unwrap();
    let kind = || MountKind::Bind {
        source: host.path().to_owned(),
        propagation: None,
        non_recursive: false,
    };
    let place = |destination: &str| Mount {
        destination: destination.into(),
        kind: kind(),
        read_only: false,
    };
    // Where the host has a device, and where a device is asked for.
    ground.spec.mounts = vec![place("/dev/mapper"), place("/dev/mine")];
    ground.spec.devices = vec![Device {
        host: "/dev/null".into(),
        container: "/dev/mine/null".into(),
        permissions: "rwm".into(),
    }];
    ground.spec.privileged = false;
    let output = ground.run().await.1;
    assert!(output.stdout.ends_with("null\n"), "{output:?}");
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 1, "{output:?}");
    ground.spec.devices.clear();
    ground.spec.privileged = true;
    ground.spec.mounts = vec![place("/dev/net"), place("/dev/input"), place("/dev/snd")];
    let output = ground.run().await.1;
    assert!(output.stdout.ends_with("null\n"), "{output:?}");
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 1, "{output:?}");
}

#[tokio::test]
async fn no_new_privileges() {
    let mut ground =
        Ground::script("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; sleep 1000 & wait");
    ground.spec.security.no_new_privileges = true;
    ground.start().await;
    let inside = ground
        .exec("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status")
        .await
        .1
        .stdout;
    assert_eq!(inside, "NoNewPrivs:\t1\nSeccomp:\t2\n");
    ground.stop().await;
}

#[tokio::test]
async fn a_privileged_container_is_not() {
    let mut ground = Ground::script(
        "grep -E 'Seccomp:' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; ls /dev | wc -l
         mkdir /sys/fs/cgroup/memory/mine 2>/dev/null && rmdir /sys/fs/cgroup/memory/mine; test -w /proc/sys/kernel/panic && echo writable",
    );
    ground.spec.privileged = true;
    let output = ground.run().await.1.stdout;
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(
        (lines[0], lines[1], lines[3]),
        ("Seccomp:\t0", "mounted", "writable"),
        "{output}"
    );
    assert!(lines[2].parse::<u32>().unwrap() > 15, "{output}");
}

#[tokio::test]
async fn a_read_only_root_with_writable_places() {
    let mut ground = Ground::script(
        "touch /x 2>&1; touch /v/x /t/x /dev/shm/x && echo wrote; touch /r/x 2>&1; mount | grep ' /t '",
    );
    ground.spec.read_only = true;
    let host = tempfile::tempdir().unwrap();
    let bind = || MountKind::Bind {
        source: host.path().to_owned(),
        propagation: None,
        non_recursive: false,
    };
    let tmpfs = MountKind::Tmpfs {
        size: Some(1 << 20),
        mode: None,
        options: vec!["exec".into()],
    };
    let mount = |destination: &str, kind, read_only| Mount {
        destination: destination.into(),
        kind,
        read_only,
    };
    ground.spec.mounts = vec![
        mount("/v", bind(), false),
        mount("/r", bind(), true),
        mount("/t", tmpfs, false),
    ];
    let output = ground.run().await.1.stdout;
    assert!(
        output.starts_with(
            "touch: /x: Read-only file system\nwrote\ntouch: /r/x: Read-only file system\n"
        ),
        "{output}"
    );
    assert!(
        output.contains("rw,nosuid,nodev,relatime") && output.contains("size=1024k"),
        "{output}"
    );
    assert!(host.path().join("x").exists());
}

#[tokio::test]
async fn later_mounts_of_the_host_stay_outside() {
    let mut ground = Ground::sleeper();
    let host = tempfile::tempdir().unwrap();
    fs::create_dir(host.path().join("sub")).unwrap();
    ground.spec.mounts = vec![bind(host.path(), "/v")];
    ground.start().await;
    let done = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "later"])
        .arg(host.path().join("sub"))
        .status()
        .unwrap();
    assert!(done.success());
    let seen = ground
        .exec("grep -c later /proc/self/mountinfo")
        .await
        .1
        .stdout;
    std::process::Command::new("umount")
        .arg(host.path().join("sub"))
        .status()
        .unwrap();
    assert_eq!(seen, "0\n");
    ground.stop().await;
}

#[tokio::test]
async fn users_and_groups() {
    let mut ground =
        Ground::script("id; touch /root/x 2>&1; echo $HOME; grep CapEff /proc/self/status");
    ground.spec.user = "ann".into();
    ground.spec.groups = vec!["7".into(), "staff".into()];
    let output = ground.run().await.1.stdout;
    let wanted = "uid=1000(ann) gid=1001(annies) groups=7,50(staff),1001(annies)\n\
                  touch: /root/x: Permission denied\n/home/ann\nCapEff:\t0000000000000000\n";
    fs::set_permissions(
        ground.rootfs().join("root"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    assert_eq!(output, wanted);
    ground.spec.user = "eve".into();
    let error = ground.start_attached(&[]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unable to find user eve: no matching entries in passwd file"
    );
}

/// Defect: the host must not be led astray by a container's files.
#[tokio::test]
async fn a_passwd_that_is_no_file_is_refused_at_once() {
    let mut ground = Ground::script("true");
    ground.spec.user = "ann".into();
    fs::remove_file(ground.rootfs().join("etc/passwd")).unwrap();
    let fifo = ground.rootfs().join("etc/passwd");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    assert!(matches!(
        ground.start_attached(&[]).await,
        Err(StartError::Spec(_))
    ));
}

#[tokio::test]
async fn namespaces_of_the_host() {
    let script = "for name in net pid ipc uts mnt; do readlink /proc/self/ns/$name; done";
    let own = |name: &str| {
        fs::read_link(format!("/proc/self/ns/{name}"))
            .unwrap()
            .display()
            .to_string()
    };
    let host = ["net", "pid", "ipc", "uts", "mnt"].map(own);
    let shared = |output: &str| -> Vec<_> {
        let both = output.lines().zip(&host);
        both.map(|(inside, outside)| inside == outside).collect()
    };
    let mut ground = Ground::script(script);
    let output = ground.run().await.1.stdout;
    assert_eq!(shared(&output), [false; 5], "{output}");
    ground.spec.namespaces.network = NetworkNamespace::Host;
    ground.spec.namespaces.pid = Namespace::Host;
    ground.spec.namespaces.ipc = IpcNamespace::Host;
    ground.spec.namespaces.uts = Namespace::Host;
    let output = ground.run().await.1.stdout;
    assert_eq!(shared(&output), [true, true, true, true, false], "{output}");
}

#[tokio::test]
async fn another_containers_network() {
    let mut first = Ground::sleeper();
    let ports = "net.ipv4.ip_unprivileged_port_start";
    first.spec.sysctls.insert(ports.into(), "99".into());
    let pid = first.start().await.pid;
    let mut second = Ground::script(
        "readlink /proc/self/ns/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
    );
    second.spec.namespaces.network = NetworkNamespace::Joined(format!("/proc/{pid}/ns/net").into());
    let theirs = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(
        second.run().await.1.stdout,
        format!("{}\n99\n", theirs.display())
    );
    first.stop().await;
}

#[tokio::test]
async fn with_the_hosts_processes_nothing_outlives_it() {
    let mut ground = Ground::script("sleep 4321 & sleep 4321 & touch /up; exit 3");
    ground.spec.namespaces.pid = Namespace::Host;
    ground.start().await;
    assert_eq!(ground.exited().await.code, 3);
    let group = gantry_runtime::cgroup::Cgroup::open(&ground.spec.cgroup_path()).unwrap();
    assert!(!group.exists());
}

#[tokio::test]
async fn devices_are_given_and_guarded() {
    let mut ground = Ground::script(
        "mknod /tmp/full c 1 7 && head -c1 /tmp/full | wc -c; mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg 2>&1 | head -c 60; echo; stat -c %t:%T /dev/mine",
    );
    ground.spec.devices = vec![Device {
        host: "/dev/zero".into(),
        container: "/dev/mine".into(),
        permissions: "r".into(),
    }];
    let output = ground.run().await.1.stdout;
    assert!(
        output.starts_with("1\n") && output.ends_with("1:5\n"),
        "{output}"
    );
    assert!(output.contains("Operation not permitted"), "{output}");
}

#[tokio::test]
async fn sysctls_and_ulimits() {
    let mut ground = Ground::script(
        "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_unprivileged_port_start; ulimit -n; ulimit -c",
    );
    ground
        .spec
        .sysctls
        .insert("net.core.somaxconn".into(), "321".into());
    ground
        .spec
        .sysctls
        .insert("kernel.shmmni".into(), "99".into());
    let limit = |name: &str, value| Ulimit {
        name: name.into(),
        soft: value,
        hard: value,
    };
    ground.spec.ulimits = vec![limit("nofile", 9), limit("core", 0)];
    assert_eq!(ground.run().await.1.stdout, "321\n99\n0\n9\n0\n");
    ground
        .spec
        .sysctls
        .insert("kernel.panic".into(), "1".into());
    assert!(matches!(
        ground.start_attached(&[]).await,
        Err(StartError::Spec(_))
    ));
}

/// Defect: what the engine or shim ignores or blocks must not reach the container.
#[tokio::test]
async fn ignored_signals_do_not_reach_the_container() {
    // SAFETY: only this test process' own dispositions, which no test here relies on.
    unsafe {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    let mut ground = Ground::new();
    ground.spec.args = ["grep", "-E", "Sig(Ign|Blk|Cgt)", "/proc/self/status"]
        .map(str::to_owned)
        .to_vec();
    let output = ground.run().await.1.stdout;
    let zero = "0000000000000000";
    assert_eq!(
        output,
        format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\nSigCgt:\t{zero}\n")
    );
}

/// Keys that only their possessor may see: with the session's keyring they would be the container's, too.
#[tokio::test]
async fn keys_of_the_engines_session_are_not_the_containers() {
    const SESSION: i32 = -3;
    const POSSESSOR_ALL: u32 = 0x3f00_0000;
    let name = format!("gantry-test-{}", std::process::id());
    let description = std::ffi::CString::new(name.clone()).unwrap();
    // SAFETY: null-terminated texts and numbers; a new session keyring for this thread and those it makes.
    unsafe {
        assert!(libc::syscall(libc::SYS_keyctl, 1, std::ptr::null::<i8>()) > 0);
        let key = libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            description.as_ptr(),
            c"x".as_ptr(),
            1,
            SESSION,
        );
        assert!(key > 0);
        assert_eq!(libc::syscall(libc::SYS_keyctl, 5, key, POSSESSOR_ALL), 0);
    }
    assert!(fs::read_to_string("/proc/keys").unwrap().contains(&name));
    let mut ground = Ground::script(&format!("grep -c {name} /proc/keys"));
    ground.spec.security.seccomp = Seccomp::Unconfined;
    ground.spec.security.masked_paths = Some(Vec::new());
    assert_eq!(ground.run().await.1.stdout, "0\n");
}
