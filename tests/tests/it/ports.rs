//! `-p`, the bridge, and the other networks.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use gantry_tests::{Client, PATIENCE, World, free_port, program, until};

both!(
    a_published_port_answers,
    datagrams_are_published_too,
    a_taken_port_is_an_error,
    containers_reach_each_other,
    none_and_host,
);

const SERVE: &str = "mkdir /www; echo a page > /www/index.html; exec httpd -f -p 80 -h /www";

pub fn page(address: &str) -> Result<String, String> {
    let read = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| format!("{address}: {error}"))?;
    if text.contains("a page") {
        Ok(text)
    } else {
        Err(text)
    }
}

fn a_published_port_answers(client: Client) {
    let world = World::new(client);
    world.background("box", &["-p", "80"], &["sh", "-c", SERVE]);
    let said = world.cli(&["port", "box", "80"]).ok();
    let port = said
        .lines()
        .find_map(|line| line.strip_prefix("0.0.0.0:"))
        .unwrap_or_else(|| panic!("{said}"))
        .to_owned();
    until("127.0.0.1", || page(&format!("127.0.0.1:{port}")));
    until("::1", || page(&format!("[::1]:{port}")));
    until("the bridge's own address", || {
        page(&format!("{}.1:{port}", world.engine.subnet().prefix()))
    });
    let listed = world.cli(&["ps", "--format", "{{.Ports}}"]).ok();
    assert!(
        listed.contains(&format!("0.0.0.0:{port}->80/tcp")),
        "{listed}"
    );
    world.cli(&["stop", "-t", "0", "box"]).ok();
    assert!(
        TcpStream::connect(format!("127.0.0.1:{port}")).is_err(),
        "a stopped container's port is closed"
    );
    world.cli(&["start", "box"]).ok();
    let said = world.cli(&["port", "box", "80/tcp"]).ok();
    let port = said
        .lines()
        .find_map(|line| line.strip_prefix("0.0.0.0:"))
        .unwrap_or_else(|| panic!("{said}"));
    until("again", || page(&format!("127.0.0.1:{port}")));
}

fn datagrams_are_published_too(client: Client) {
    let world = World::new(client);
    let path = env!("CARGO_BIN_EXE_echo");
    world.load(&program(std::path::Path::new(path)), "echo:latest");
    world
        .cli(&[
            "run",
            "-d",
            "--name",
            "box",
            "-p",
            "127.0.0.1::7/udp",
            "echo",
        ])
        .ok();
    let said = world.cli(&["port", "box", "7/udp"]).ok();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    until("an echo", || {
        socket
            .send_to(b"hello", &said)
            .map_err(|error| format!("{said}: {error}"))?;
        let mut answer = [0; 16];
        let (length, _) = socket
            .recv_from(&mut answer)
            .map_err(|error| format!("{said}: {error}"))?;
        if &answer[..length] == b"hello" {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
}

fn a_taken_port_is_an_error(client: Client) {
    let world = World::new(client);
    let port = free_port();
    let publish = format!("{port}:80");
    world.background("first", &["-p", &publish], &["sleep", "1000"]);
    let said = world.cli(&[
        "run", "-d", "--name", "second", "-p", &publish, "busybox", "sleep", "1000",
    ]);
    let error = said.fails(125);
    assert!(
        error.contains("port is already allocated") && error.contains(&port.to_string()),
        "{error}"
    );
    assert_eq!(world.status("second"), "created");
    world.cli(&["rm", "-f", "first"]).ok();
    world.cli(&["start", "second"]).ok();
    world.cli(&["rm", "-f", "second"]).ok();
    // By a program that is none of ours.
    let _taken = std::net::TcpListener::bind(("0.0.0.0", port)).unwrap();
    let error = world.once(&["-p", &publish], &["true"]).fails(125);
    assert!(
        error.contains("address already in use") || error.contains("port is already allocated"),
        "{error}"
    );
    let error = world.once(&["-p", "99999:80"], &["true"]).fails(125);
    assert!(error.to_lowercase().contains("invalid"), "{error}");
}

fn containers_reach_each_other(client: Client) {
    let world = World::new(client);
    world.background("server", &[], &["sh", "-c", SERVE]);
    let address =
        world.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].clone();
    let address = address.as_str().unwrap();
    until("the page of the other container", || {
        let said = world.once(
            &[],
            &["wget", "-q", "-O", "-", &format!("http://{address}/")],
        );
        if said.stdout == "a page\n" {
            Ok(())
        } else {
            Err(said)
        }
    });
    let said = world
        .once(&[], &["sh", "-c", "ip route; cat /etc/resolv.conf"])
        .ok();
    assert!(
        said.contains(&format!("default via {}.1", world.engine.subnet().prefix())),
        "{said}"
    );
}

fn none_and_host(client: Client) {
    let world = World::new(client);
    let links = |network: &str| world.once(&["--network", network], &["ip", "link"]).ok();
    assert!(!links("none").contains("eth0"), "only a loopback");
    assert!(
        links("host").contains(world.engine.subnet().name()),
        "the machine's interfaces"
    );
    let said = world.cli(&["network", "ls", "--format", "{{.Name}}"]).ok();
    let mut names: Vec<_> = said.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["bridge", "host", "none"]);
    let error = world.once(&["--network", "nowhere"], &["true"]).fails(125);
    assert!(error.contains("network nowhere not found"), "{error}");
}
