//! The command that every Docker tutorial begins with, letter by letter.

use std::process::Command;

use gantry_tests::{Client, World, run, until, web};

both!(the_literal_command);

fn the_literal_command(client: Client) {
    let page = "<!doctype html><title>stand-in</title><h1>Getting started</h1>";
    // In a network of its own: port 80 is surely free there.
    let world = World::with_mirror(client);
    world
        .registry()
        .push("docker/getting-started", "latest", &web(page));
    let said = world.cli(&["run", "-d", "-p", "80:80", "docker/getting-started"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stderr
            .contains("Unable to find image 'docker/getting-started:latest' locally"),
        "{said:?}"
    );
    assert!(
        said.stderr
            .contains("Status: Downloaded newer image for docker/getting-started:latest"),
        "{said:?}"
    );
    let id = said.stdout.trim();
    assert!(
        id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{said:?}"
    );
    until("http://localhost/ should answer with the page", || {
        let mut fetch: Command = world.nearby("curl");
        let said = run(fetch.args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "http://localhost/",
        ]));
        if said.stdout == page {
            Ok(())
        } else {
            Err(format!("{said:?} {:?}", world.cli(&["logs", id])))
        }
    });
    let listed = world.cli(&["ps", "--format", "{{.Image}} {{.Ports}}"]).ok();
    assert!(
        listed.starts_with("docker/getting-started 0.0.0.0:80->80/tcp"),
        "{listed}"
    );
    world.cli(&["rm", "-f", id]).ok();
}
