//! Compose, as Debian packages it.

use std::fs;
use std::process::Command;

use gantry_tests::{Client, World, run, until};

/// Networks of its own are not served yet: the service is on the default bridge.
const FILE: &str = r#"
version: "3.8"
services:
  web:
    image: busybox
    command: sh -c "mkdir /www; echo $$MOOD > /www/index.html; exec httpd -f -p 80 -h /www"
    network_mode: bridge
    ports: ["127.0.0.1::80"]
    volumes: ["data:/data"]
    environment: { MOOD: calm }
volumes:
  data:
"#;

#[test]
fn a_service_comes_up_and_goes_down() {
    let world = World::new(Client::Docker);
    let folder = world.engine.folder().join("project");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("docker-compose.yml"), FILE).unwrap();
    let compose = |words: &[&str]| {
        let mut command = Command::new("docker-compose");
        command
            .args(words)
            .current_dir(&folder)
            .env("DOCKER_HOST", world.engine.host())
            .env("HOME", &folder);
        run(&mut command)
    };
    compose(&["up", "-d"]).ok();
    // Releases of Compose join the parts of a name differently.
    let name = world.cli(&["ps", "--format", "{{.Names}}"]).ok();
    assert!(
        name.starts_with("project") && name.contains("web"),
        "{name}"
    );
    let address = compose(&["port", "web", "80"]).ok();
    until("the service's page", || {
        let said = run(Command::new("curl").args(["-s", "--noproxy", "*", &address]));
        if said.stdout == "calm\n" {
            Ok(())
        } else {
            Err(said.stderr)
        }
    });
    let said = compose(&["exec", "-T", "web", "cat", "/www/index.html"]);
    assert_eq!(said.ok(), "calm");
    // The same file again changes nothing.
    compose(&["up", "-d"]).ok();
    assert_eq!(world.cli(&["ps", "--format", "{{.Names}}"]).ok(), name);
    assert_eq!(world.cli(&["volume", "ls", "-q"]).ok(), "project_data");
    compose(&["down", "-v", "-t", "0"]).ok();
    assert_eq!(world.cli(&["ps", "-aq"]).ok(), "");
    assert_eq!(world.cli(&["volume", "ls", "-q"]).ok(), "");
}
