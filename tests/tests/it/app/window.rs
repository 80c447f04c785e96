//! The window itself: what it shows, and what it never does.

use std::io::Read;
use std::net::TcpListener;

use gantry_tests::{Client, World};
use serde_json::json;

use super::app;

#[test]
fn no_link_takes_the_windows_place() {
    let world = World::with_flags(Client::Docker, &[]);
    let app = app(&world);
    app.expect("Engine running");
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("a socket");
    let address = elsewhere.local_addr().expect("its address");
    for url in [
        format!("http://{address}/"),
        "file:///etc/hostname".to_owned(),
    ] {
        app.script(
            "const link = document.createElement('a'); link.href = arguments[0];
             document.body.append(link); link.click(); link.remove();",
            &json!([url]),
        );
        app.go("#/volumes");
        app.expect("No volumes yet");
        app.go("#/containers");
        app.expect("No containers yet");
    }
    // The web view may have connected ahead of the press; it must not have asked for anything.
    let mut asked = Vec::new();
    if let Ok((mut stream, _)) = elsewhere.accept() {
        stream
            .set_nonblocking(true)
            .expect("a socket that does not wait");
        let _ = stream.read_to_end(&mut asked);
    }
    assert_eq!(String::from_utf8_lossy(&asked), "");
}
