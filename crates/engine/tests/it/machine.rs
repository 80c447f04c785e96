//! An engine that runs in a machine: ports and folders are those of the machine's host.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use gantry_claim::{Answer, Claim, Refusal, RefusalKind};
use gantry_tests::{Client, PATIENCE, World, free_port, until_true};
use serde_json::{Value, json};

use crate::{create, frames, start};

/// Who has the host's ports: it really listens, on this system, and leads what comes to where a claim says.
fn agent(path: &Path) {
    let agent = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for claimant in agent.incoming() {
            let claimant = claimant.unwrap();
            thread::spawn(move || serve(claimant));
        }
    });
}

fn serve(mut claimant: UnixStream) {
    let mut line = String::new();
    let mut reader = BufReader::new(claimant.try_clone().unwrap());
    reader.read_line(&mut line).unwrap();
    let claim: Claim = serde_json::from_str(&line).unwrap();
    let listener = TcpListener::bind(claim.host);
    let answer = match &listener {
        Ok(listener) => Answer::Listening(listener.local_addr().unwrap()),
        Err(error) => Answer::Refused(Refusal {
            kind: RefusalKind::PortTaken,
            message: error.to_string(),
        }),
    };
    writeln!(claimant, "{}", serde_json::to_string(&answer).unwrap()).unwrap();
    let Ok(listener) = listener else { return };
    let held = listener.try_clone().unwrap();
    thread::spawn(move || {
        while let Ok((outer, _)) = listener.accept() {
            if let Ok(inner) = TcpStream::connect(claim.guest) {
                copy(&outer, &inner);
                copy(&inner, &outer);
            }
        }
    });
    // The claim's end.
    let _ = reader.read(&mut [0]);
    rustix::net::shutdown(&held, rustix::net::Shutdown::Both).unwrap();
}

fn copy(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A machine with a shared folder.
struct Machine {
    world: World,
    shared: PathBuf,
    _folder: tempfile::TempDir,
}

fn machine() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let (socket, shared) = (folder.path().join("host.sock"), folder.path().join("home"));
    std::fs::create_dir(&shared).unwrap();
    agent(&socket);
    let flags = [
        "--host-agent",
        socket.to_str().unwrap(),
        "--shared-folder",
        shared.to_str().unwrap(),
        "--host-gateway-ip",
        "192.0.2.7",
    ];
    let world = World::with_flags(Client::Docker, &flags);
    world.load_busybox();
    Machine {
        world,
        shared,
        _folder: folder,
    }
}

/// Whether a container that published `port` answers.
fn answers(port: u16) -> bool {
    let ask = || -> io::Result<String> {
        let mut client = TcpStream::connect(("127.0.0.1", port))?;
        client.set_read_timeout(Some(PATIENCE))?;
        client.write_all(b"GET /hosts HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        client.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.contains("localhost"))
}

fn web(port: u16) -> Value {
    json!({
        "Image": "busybox",
        "Cmd": ["httpd", "-f", "-h", "/etc"],
        "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }] } },
    })
}

#[test]
fn ports_are_the_hosts_and_outlive_the_engine() {
    let mut machine = machine();
    let world = &mut machine.world;
    let port = free_port();
    create(world, "web", &web(port));
    start(world, "web");
    until_true("the page", || answers(port));
    let shown = world.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"].clone();
    assert_eq!(
        shown,
        json!([{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }])
    );

    world.engine.kill();
    assert!(answers(port));
    world.engine.restart();
    assert!(answers(port));

    create(world, "late", &web(port));
    let answer = world.engine.ask("POST", "/containers/late/start", "");
    assert_eq!(answer.status, 500, "{}", answer.text());
    let message = answer.json()["message"].clone();
    let words = format!("Bind for 127.0.0.1:{port} failed: port is already allocated");
    assert!(message.as_str().unwrap().ends_with(&words), "{message}");

    world.engine.ask("POST", "/containers/web/stop?t=0", "");
    start(world, "late");
    until_true("the page", || answers(port));
    world.engine.ask("DELETE", "/containers/late?force=1", "");
    until_true("the port is free", || {
        TcpListener::bind(("127.0.0.1", port)).is_ok()
    });
}

/// Runs a script in a container; what it says.
fn says(world: &World, name: &str, script: &str, host: &Value) -> String {
    create(
        world,
        name,
        &json!({ "Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": host }),
    );
    start(world, name);
    world
        .engine
        .ask("POST", &format!("/containers/{name}/wait"), "");
    let log = world.engine.ask(
        "GET",
        &format!("/containers/{name}/logs?stdout=1&stderr=1"),
        "",
    );
    let (out, err) = frames(&log.body);
    assert_eq!(err, "");
    out
}

#[test]
fn folders_are_the_hosts_where_it_shares_them() {
    let machine = machine();
    let (world, shared) = (&machine.world, &machine.shared);
    std::fs::create_dir(shared.join("site")).unwrap();
    std::fs::write(shared.join("site/page"), "hello").unwrap();
    std::os::unix::fs::symlink("site/page", shared.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", shared.join("out")).unwrap();
    let bind = |source: &str, target: &str| format!("{}/{source}:{target}", shared.display());
    let host =
        json!({ "Binds": [bind("site", "/site"), bind("link", "/page"), bind("new/one", "/new")] });
    let script = "cat /site/page /page; echo back > /site/back; touch /new/file";
    assert_eq!(says(world, "reader", script, &host), "hellohello");
    let read = |path: &str| std::fs::read_to_string(shared.join(path)).unwrap();
    assert_eq!(read("site/back"), "back\n");
    assert!(shared.join("new/one/file").is_file());
    let mounts = world.inspect("reader")["Mounts"].to_string();
    assert!(mounts.contains(&format!("{}/site", shared.display())));

    for (source, leads) in [
        ("/opt/data", "/opt/data"),
        (&format!("{}/out", shared.display()), "/etc"),
    ] {
        let binds = json!({ "Binds": [format!("{source}:/x")] });
        let mounts = json!({ "Mounts": [{ "Type": "bind", "Source": source, "Target": "/x" }] });
        for host in [binds, mounts] {
            let body = json!({ "Image": "busybox", "HostConfig": host });
            let answer = world
                .engine
                .ask("POST", "/containers/create", &body.to_string());
            assert_eq!(answer.status, 400, "{}", answer.text());
            let says = answer.text();
            assert!(
                says.contains(&format!("mounts denied: the path {source} ")),
                "{says}"
            );
            let todo = format!("gantry machine set --share {leads}");
            assert!(says.contains(&todo), "{says}");
        }
    }
}

#[test]
fn the_engine_and_the_host_are_found_by_their_usual_names() {
    let machine = machine();
    let world = &machine.world;
    let host = json!({
        "Binds": ["/var/run/docker.sock:/var/run/docker.sock", "/sys:/host/sys:ro"],
        "ExtraHosts": ["me:host-gateway"],
    });
    let script = "test -S /var/run/docker.sock && test -d /host/sys/kernel && cat /etc/hosts";
    let hosts = says(world, "box", script, &host);
    for name in ["host.docker.internal", "me"] {
        assert!(hosts.contains(&format!("192.0.2.7\t{name}\n")), "{hosts}");
    }
    let host = json!({ "ExtraHosts": ["host.docker.internal:192.0.2.9"] });
    let hosts = says(world, "own", "cat /etc/hosts", &host);
    let lines: Vec<_> = hosts
        .lines()
        .filter(|line| line.contains("host.docker.internal"))
        .collect();
    assert_eq!(lines, ["192.0.2.9\thost.docker.internal"]);
}
