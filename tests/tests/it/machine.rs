//! The engine in a virtual machine: what a person notices of it, which is nothing.
//!
//! One machine for each test, since it takes seconds to boot where the processor can't help. Here is what lies between
//! host and guest; that containers do in it what they do natively is told by running the other tests with
//! `GANTRY_TESTS_IN=machine` (`make test-vm`).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;

use gantry_tests::{Machine, PATIENCE, busybox, free_port, request, until, until_true};

use crate::ports::page;

const SERVE: &str = "mkdir -p /www; echo a page > /www/index.html; exec httpd -f -p 80 -h /www";

fn answers(machine: &Machine) -> bool {
    let ask = || -> std::io::Result<u16> {
        let stream = UnixStream::connect(machine.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(request(stream, "GET", "/_ping", &[], &[])?.status)
    };
    matches!(ask(), Ok(200))
}

#[test]
fn docker_works_in_a_machine_as_natively() {
    let machine = Machine::start();
    machine.load(&busybox(), "busybox:latest");
    assert_eq!(
        machine
            .docker(&["info", "-f", "{{.CgroupVersion}} {{.OSType}}"])
            .ok(),
        "2 linux"
    );
    assert_eq!(
        machine
            .docker(&["run", "--rm", "busybox", "echo", "hello"])
            .ok(),
        "hello"
    );
    machine
        .docker(&["run", "--rm", "busybox", "sh", "-c", "exit 7"])
        .fails(7);

    // Ports: at once on localhost, by both protocols of the Internet, and gone with the container.
    let port = free_port();
    let publish = format!("{port}:80");
    let web = [
        "run", "-d", "--name", "web", "-p", &publish, "busybox", "sh", "-c", SERVE,
    ];
    machine.docker(&web).ok();
    for host in ["127.0.0.1", "[::1]"] {
        until(host, || page(&format!("{host}:{port}")));
    }
    let told = machine.docker(&["port", "web", "80/tcp"]).ok();
    assert!(told.contains(&format!("0.0.0.0:{port}")), "{told}");
    let taken = machine
        .docker(&["run", "--rm", "-p", &publish, "busybox", "true"])
        .fails(125);
    assert!(taken.contains("port is already allocated"), "{taken}");
    // Taken by somebody on the host, of whom the guest knows nothing.
    let somebody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = format!("127.0.0.1:{}:80", somebody.local_addr().unwrap().port());
    let taken = machine
        .docker(&["run", "--rm", "-p", &theirs, "busybox", "true"])
        .fails(125);
    assert!(taken.contains("port is already allocated"), "{taken}");
    machine.docker(&["rm", "-f", "web"]).ok();
    until_true("the port should be given back", || {
        std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
    });

    // A folder of the host, both ways.
    let folder = machine.folder().join("shared");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("from-host"), "of the host").unwrap();
    let bind = format!("{}:/s", folder.display());
    let script = "cat /s/from-host; echo of the guest > /s/from-guest";
    let said = machine
        .docker(&["run", "--rm", "-v", &bind, "busybox", "sh", "-c", script])
        .ok();
    assert_eq!(said, "of the host");
    assert_eq!(
        fs::read_to_string(folder.join("from-guest")).unwrap(),
        "of the guest\n"
    );
    assert_eq!(
        fs::metadata(folder.join("from-guest")).unwrap().uid(),
        rustix::process::geteuid().as_raw()
    );
    let refused = machine.docker(&["run", "--rm", "-v", "/srv/elsewhere:/s", "busybox", "true"]);
    let refused = refused.fails(125);
    assert!(
        refused.contains("/srv/elsewhere") && refused.contains("shared"),
        "{refused}"
    );
}

#[test]
fn nothing_is_lost_when_a_machine_stops_or_is_killed() {
    let machine = Machine::start();
    machine.load(&busybox(), "busybox:latest");
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:80");
    machine
        .docker(&[
            "run",
            "--rm",
            "-v",
            "kept:/v",
            "busybox",
            "sh",
            "-c",
            "echo kept > /v/file; sync",
        ])
        .ok();
    machine
        .docker(&[
            "run",
            "-d",
            "--name",
            "web",
            "--restart",
            "always",
            "-p",
            &publish,
            "busybox",
            "sh",
            "-c",
            SERVE,
        ])
        .ok();
    let address = format!("127.0.0.1:{port}");
    until("the first time", || page(&address));

    // What holds the ports dies: the machine goes on, and the next start takes it up again.
    let vm = machine.vm();
    let began = machine
        .docker(&["inspect", "-f", "{{.State.StartedAt}}", "web"])
        .ok();
    machine.kill(machine.holder());
    machine.start_again();
    assert_eq!(machine.vm(), vm, "the virtual machine is another one");
    assert_eq!(
        machine
            .docker(&["inspect", "-f", "{{.State.StartedAt}}", "web"])
            .ok(),
        began
    );
    until("after the host process was killed", || page(&address));

    // The virtual machine dies, as by a power cut: it is started again by itself.
    machine.kill(vm);
    until_true("the machine should come back", || answers(&machine));
    assert_eq!(kept(&machine), "kept");
    until("after the virtual machine was killed", || page(&address));

    // An orderly stop, and another start.
    machine.stop();
    assert!(!answers(&machine), "a stopped machine answers");
    machine.start_again();
    assert_eq!(kept(&machine), "kept");
    until("after stop and start", || page(&address));
}

fn kept(machine: &Machine) -> String {
    machine
        .docker(&["run", "--rm", "-v", "kept:/v", "busybox", "cat", "/v/file"])
        .ok()
}
