use std::path::Path;

use super::*;

fn host() -> Host {
    Host {
        shim: "/s".into(),
        init: "/i".into(),
        cgroup_v1_mounts: vec!["memory".into()],
        cgroup_v2_only: false,
        thermal_throttles: Vec::new(),
        open_files: None,
    }
}

fn spec(root: &Path) -> ContainerSpec {
    ContainerSpec {
        id: "a".repeat(64),
        rootfs: root.to_owned(),
        args: vec!["sh".into()],
        hostname: "h".into(),
        ..ContainerSpec::default()
    }
}

#[test]
fn a_plain_container() {
    let root = tempfile::tempdir().unwrap();
    let oci = oci_spec(&spec(root.path()), &host()).unwrap();
    let process = oci.process().as_ref().unwrap();
    assert_eq!(process.cwd(), Path::new("/"));
    assert_eq!(process.no_new_privileges(), None);
    let env = process.env().as_ref().unwrap();
    assert_eq!(env[1..], ["HOSTNAME=h", "HOME=/"]);
    let linux = oci.linux().as_ref().unwrap();
    assert_eq!(
        linux.cgroups_path().as_ref().unwrap(),
        &Path::new("/gantry").join("a".repeat(64))
    );
    let kinds: Vec<_> = linux
        .namespaces()
        .iter()
        .flatten()
        .map(LinuxNamespace::typ)
        .collect();
    use LinuxNamespaceType::{Ipc, Mount, Network, Pid, Uts};
    assert_eq!(kinds, [Mount, Network, Uts, Pid, Ipc]);
    assert!(linux.seccomp().is_some());
}

#[test]
fn host_namespaces_take_host_names_and_sysctls_away() {
    let root = tempfile::tempdir().unwrap();
    let mut spec = spec(root.path());
    spec.namespaces = Namespaces {
        network: NetworkNamespace::Host,
        pid: Namespace::Host,
        ipc: IpcNamespace::Host,
        uts: Namespace::Host,
        cgroup: Some(Namespace::Private),
    };
    let oci = oci_spec(&spec, &host()).unwrap();
    assert!(oci.hostname().is_none());
    assert!(oci.linux().as_ref().unwrap().sysctl().is_none());
    assert_eq!(
        oci.linux()
            .as_ref()
            .unwrap()
            .namespaces()
            .as_ref()
            .unwrap()
            .len(),
        2
    );
    spec.sysctls.insert("net.core.somaxconn".into(), "1".into());
    assert!(matches!(
        oci_spec(&spec, &host()),
        Err(SpecError::Sysctl(_))
    ));
}

#[test]
fn parents_of_cgroups_cannot_climb() {
    let spec = ContainerSpec {
        id: "x".into(),
        cgroup_parent: Some("../../a//./b".into()),
        ..ContainerSpec::default()
    };
    assert_eq!(spec.cgroup_path(), Path::new("/a/b/x"));
}

#[test]
fn what_cannot_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let with = |args: &[&str]| ContainerSpec {
        args: args.iter().map(ToString::to_string).collect(),
        ..spec(root.path())
    };
    assert!(matches!(
        oci_spec(&with(&[]), &host()),
        Err(SpecError::NoCommand)
    ));
    assert!(matches!(
        oci_spec(&with(&[""]), &host()),
        Err(SpecError::NoCommand)
    ));
    assert!(matches!(
        oci_spec(&with(&["a\0b"]), &host()),
        Err(SpecError::Nul { .. })
    ));
}
