//! Pulling from a real registry, listing, saving, loading, removing.

use std::io::{Read as _, Write as _};

use gantry_tests::{Client, Image, Layer, World, busybox};
use serde_json::json;

both!(
    pulling_from_a_registry,
    what_the_registry_does_not_have,
    saving_and_loading,
    tagging_and_removing,
    importing_a_tree,
    importing_from_the_web,
);

fn pulling_from_a_registry(client: Client) {
    let world = World::with_registry(client);
    let base = busybox();
    let layers = vec![
        base.layers[0].clone(),
        Layer::new().file("added", 0o644, b"second layer").tar(),
    ];
    let image = Image::new(
        layers,
        &json!({"Env": ["PATH=/bin"], "Cmd": ["cat", "/added"]}),
    );
    let digest = world.registry().push("team/tool", "v1", &image);
    let name = format!("{}/team/tool:v1", world.registry().host());
    let said = world.cli(&["pull", &name]).ok();
    for word in [
        format!("Digest: {digest}"),
        format!("Status: Downloaded newer image for {name}"),
        "Pull complete".into(),
    ] {
        assert!(said.contains(&word), "{word}: {said}");
    }
    let again = world.cli(&["pull", &name]).ok();
    assert!(
        again.contains(&format!("Status: Image is up to date for {name}")),
        "{again}"
    );
    assert_eq!(world.cli(&["pull", "-q", &name]).ok(), name);
    assert_eq!(world.cli(&["run", "--rm", &name]).ok(), "second layer");
    let by_digest = format!("{}/team/tool@{digest}", world.registry().host());
    assert_eq!(world.cli(&["run", "--rm", &by_digest]).ok(), "second layer");
    let listed = world
        .cli(&[
            "images",
            "--no-trunc",
            "--format",
            "{{.Repository}}:{{.Tag}} {{.ID}}",
        ])
        .ok();
    assert!(
        listed.contains(&format!("{name} {}", image.id())),
        "{listed}"
    );
    let history = world.cli(&["history", &name]).ok();
    assert_eq!(history.matches("made by a test").count(), 2, "{history}");
}

fn what_the_registry_does_not_have(client: Client) {
    let world = World::with_registry(client);
    let name = format!("{}/no/such", world.registry().host());
    let said = world.cli(&["run", "--rm", &name, "true"]);
    assert_eq!(said.code, 125, "{said:?}");
    assert!(
        said.stderr
            .contains(&format!("Unable to find image '{name}:latest' locally")),
        "{said:?}"
    );
    assert!(
        said.stderr.contains("not found") || said.stderr.contains("unknown"),
        "{said:?}"
    );
    let said = world.cli(&["run", "--rm", "--pull", "never", &name, "true"]);
    assert!(
        said.code == 125
            && said
                .stderr
                .contains(&format!("No such image: {name}:latest")),
        "{said:?}"
    );
    let error = world.cli(&["pull", "127.0.0.1:1/nobody/listens"]).fails(1);
    assert!(
        error.contains("connection refused") || error.contains("Connection refused"),
        "{error}"
    );
    let error = world.cli(&["pull", "team/UPPER"]).fails(1);
    assert!(error.contains("invalid reference format"), "{error}");
    assert_eq!(world.cli(&["images", "-q"]).ok(), "");
}

fn saving_and_loading(client: Client) {
    let world = World::new(client);
    let file = world
        .engine
        .folder()
        .join("saved.tar")
        .display()
        .to_string();
    let id = world.cli(&["images", "-q", "--no-trunc"]).ok();
    world.cli(&["save", "-o", &file, "busybox"]).ok();
    world.cli(&["rmi", "busybox"]).ok();
    assert_eq!(world.cli(&["images", "-q"]).ok(), "");
    let said = world.cli(&["load", "-i", &file]).ok();
    assert!(said.contains("Loaded image: busybox:latest"), "{said}");
    assert_eq!(
        world.cli(&["images", "-q", "--no-trunc"]).ok(),
        id,
        "the same image"
    );
    assert_eq!(world.once(&[], &["echo", "works"]).ok(), "works");
    // A name alone is all tags of its repository, whichever they are.
    world.cli(&["tag", "busybox", "other/name:v2"]).ok();
    world.cli(&["save", "-o", &file, "other/name"]).ok();
    world.cli(&["rmi", "other/name:v2"]).ok();
    let said = world.cli(&["load", "-i", &file]).ok();
    assert!(said.contains("Loaded image: other/name:v2"), "{said}");
    let said = world.cli_with_input(
        &["load"],
        b"this is no archive at all, whatever else it may be",
    );
    assert_ne!(said.code, 0, "{said:?}");
    let error = world.cli(&["save", "-o", &file, "nothing"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such image: nothing"),
        "{error}"
    );
}

fn tagging_and_removing(client: Client) {
    let world = World::new(client);
    world.cli(&["tag", "busybox", "other/name:v2"]).ok();
    let said = world.cli(&["rmi", "other/name:v2"]).ok();
    assert_eq!(said, "Untagged: other/name:v2");
    world.background("box", &[], &["sleep", "1000"]);
    let error = world.cli(&["rmi", "busybox"]).fails(1);
    assert!(
        error.contains("conflict: unable to") && error.contains("container"),
        "{error}"
    );
    world.cli(&["rm", "-f", "box"]).ok();
    let said = world.cli(&["rmi", "busybox"]).ok();
    assert!(
        said.contains("Untagged: busybox:latest") && said.contains("Deleted: sha256:"),
        "{said}"
    );
    let error = world.cli(&["rmi", "busybox"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such image: busybox"),
        "{error}"
    );
}

fn importing_from_the_web(client: Client) {
    let world = World::new(client);
    let tree = Layer::new().file("only", 0o644, b"x").tar();
    let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in web.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let len = stream.read(&mut head).unwrap();
            let (status, body) = if head[..len].starts_with(b"GET /tree.tar ") {
                ("200 OK", tree.as_slice())
            } else {
                ("404 Not Found", b"nothing here".as_slice())
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
        }
    });
    let url = format!("http://{address}/tree.tar");
    let said = world.cli(&["import", &url, "fetched:1"]).ok();
    assert!(said.contains("sha256:"), "{said}");
    let comment = world.cli(&["history", "--format", "{{.Comment}}", "fetched:1"]);
    assert_eq!(comment.ok(), format!("Imported from {url}"));
    let error = world
        .cli(&["import", &format!("http://{address}/other"), "fetched:2"])
        .fails(1);
    assert!(error.contains("404 Not Found"), "{error}");
    assert_eq!(world.cli(&["images", "-q", "fetched:2"]).ok(), "");
}

fn importing_a_tree(client: Client) {
    let world = World::new(client);
    let tree = Layer::new()
        .file("only", 0o644, b"x")
        .host_file(std::path::Path::new("/bin/busybox"))
        .tar();
    let file = world.engine.folder().join("tree.tar");
    std::fs::write(&file, tree).unwrap();
    let file = file.display().to_string();
    let words = [
        "import",
        "--change",
        "CMD [\"/bin/busybox\", \"cat\", \"/only\"]",
        "-m",
        "mine",
        &file,
        "imported:1",
    ];
    assert!(world.cli(&words).ok().starts_with("sha256:"));
    assert_eq!(world.cli(&["run", "--rm", "imported:1"]).ok(), "x");
}
