//! Takes the pictures of docs/screenshots: each view of the real app against a real engine, in both themes.
//!
//!     make screenshots

use std::path::PathBuf;
use std::time::Duration;

use gantry_tests::{App, Client, Image, Layer, World, busybox, key};
use serde_json::json;

/// How long the charts gather readings before their picture is taken.
const READINGS: Duration = Duration::from_secs(25);

/// What the container whose page is shown prints and does: requests in its log, some work, some traffic.
const SHOP: &str = "n=0; while [ $n -lt 400 ]; do n=$((n+1)); \
    printf '\\033[32mINFO\\033[0m  GET /products/%d \\033[36m200\\033[0m %d ms\\n' $n $((n%37+3)); \
    [ $((n%23)) = 9 ] && printf '\\033[33mWARN\\033[0m  slow query: products by price took %d ms\\n' $((n+200)) >&2; \
    [ $((n%61)) = 40 ] && printf '\\033[31mERROR\\033[0m payment gateway answered \\033[1m503\\033[0m, trying again\\n' >&2; done; \
    echo 'INFO  ready'; while true; do i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; \
    dd if=/dev/zero of=/data/cache bs=64k count=40 conv=fsync 2>/dev/null; \
    wget -q -O /dev/null http://$WORKER/batch; sleep 0.$((n++%7+2)); done";

/// What the other container serves to it.
const WORKER: &str = "head -c 30000 /dev/urandom > /queue/batch; exec httpd -f -h /queue";

fn main() {
    let folder = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .unwrap_or_else(|| "docs/screenshots".into()),
    );
    std::fs::create_dir_all(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));

    let world = World::with_registry(Client::Docker);
    world.load_busybox();
    for (tag, _) in [
        ("shop/web:2.4", 0),
        ("shop/worker:2.4", 0),
        ("tools:latest", 0),
    ] {
        world.cli(&["tag", "busybox:latest", tag]).ok();
    }
    let sleep = ["sleep", "100000"];
    let run = |words: &[&str], command: &[&str]| world.cli(&[words, command].concat()).ok();
    run(
        &[
            "run",
            "-d",
            "--name",
            "worker",
            "-v",
            "queue:/queue",
            "shop/worker:2.4",
        ],
        &["sh", "-c", WORKER],
    );
    let address = "{{.NetworkSettings.IPAddress}}";
    let worker = world.cli(&["inspect", "-f", address, "worker"]).ok();
    run(
        &["run", "-d", "--name", "cache", "-p", "6379:6379", "tools"],
        &sleep,
    );
    world.cli(&["pause", "cache"]).ok();
    world
        .cli(&["run", "--name", "migrate", "shop/web:2.4", "true"])
        .ok();
    world
        .cli(&[
            "run",
            "--name",
            "import",
            "shop/web:2.4",
            "sh",
            "-c",
            "exit 3",
        ])
        .fails(3);
    run(&["create", "--name", "nightly-report", "tools"], &sleep);
    run(
        &[
            "run",
            "-d",
            "--name",
            "shop",
            "-p",
            "8088:80",
            "-v",
            "shop-data:/data",
            "-e",
            "SHOP_CURRENCY=EUR",
            "-e",
            &format!("WORKER={worker}"),
            "-m",
            "256m",
            "shop/web:2.4",
        ],
        &["sh", "-c", SHOP],
    );

    let empty = World::with_flags(Client::Docker, &[]);
    for theme in ["light", "dark"] {
        let take = |app: &App, view: &str| {
            // The pointer of the last press must not rest on anything, and what fades is to have faded.
            app.rest_pointer(1199, 799);
            std::thread::sleep(Duration::from_millis(700));
            app.picture(&folder.join(format!("{view}-{theme}.png")));
            println!("{view}-{theme}.png");
        };
        let app = open(&empty, theme);
        app.expect("No containers yet");
        take(&app, "first-run");
        drop(app);

        let app = open(&world, theme);
        app.expect("shop");
        take(&app, "containers");
        app.click("tr[aria-label=shop] a.name");
        app.expect("INFO  ready");
        app.type_into(".bar input[type=search]", "error");
        app.expect("1 of 6");
        take(&app, "logs");
        app.press("Stats");
        app.find(".uplot");
        std::thread::sleep(READINGS);
        take(&app, "stats");
        app.press("Inspect");
        app.expect("SHOP_CURRENCY");
        take(&app, "inspect");
        app.press("Terminal");
        app.find(".xterm-helper-textarea");
        std::thread::sleep(Duration::from_secs(1));
        app.type_into(
            ".xterm-helper-textarea",
            "ls --color=always /\nps\ndf -h /data\n",
        );
        std::thread::sleep(Duration::from_secs(1));
        take(&app, "terminal");
        app.go("#/volumes");
        app.expect("shop-data");
        take(&app, "volumes");
        app.go("#/images");
        app.expect("tools");
        take(&app, "images");
        app.click("button[aria-label='Run shop/web:2.4']");
        app.press("Add a variable");
        app.type_into("input[aria-label='Variable']", "SHOP_CURRENCY");
        app.type_into("input[aria-label='Value']", "EUR");
        take(&app, "run");
        app.press("Cancel");

        let tag = format!("2.5-{theme}");
        world
            .registry()
            .push("shop/web", &tag, &heavy(theme.as_bytes()));
        app.press("Pull an image");
        app.type_into(
            "[data-testid=pull-reference]",
            &format!("{}/shop/web:{tag}", world.registry().host()),
        );
        app.rest_pointer(1199, 799);
        app.type_into("[data-testid=pull-reference]", key::ENTER);
        app.find("[data-testid=pull-progress] li");
        std::thread::sleep(Duration::from_millis(300));
        app.picture(&folder.join(format!("pull-{theme}.png")));
        println!("pull-{theme}.png");
        app.expect("is here");
        drop(app);

        let app = App::open(&[("DOCKER_HOST", "unix:///run/nowhere/docker.sock")]);
        dress(&app, theme);
        app.expect("The engine does not answer");
        take(&app, "no-engine");
    }
}

fn open(world: &World, theme: &str) -> App {
    let app = App::open(&[("DOCKER_HOST", &world.engine.host())]);
    dress(&app, theme);
    app
}

fn dress(app: &App, theme: &str) {
    app.click("button[aria-label='Preferences']");
    app.click(&format!("[data-testid=theme-{theme}]"));
    app.find(&format!("html[data-theme={theme}]"));
    app.type_into("[data-testid=theme-system]", key::ESCAPE);
}

/// An image with some layers that take a moment to come.
fn heavy(seed: &[u8]) -> Image {
    let mut state = seed.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        state.rotate_left(9) ^ u64::from(*byte)
    });
    let mut layers = busybox().layers;
    for (number, megabytes) in [40, 90, 25, 60].into_iter().enumerate() {
        let mut bytes = vec![0; megabytes << 20];
        for chunk in bytes.chunks_exact_mut(8) {
            // xorshift64: nothing that gzip could make small.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        layers.push(
            Layer::new()
                .file(&format!("assets/{number}"), 0o644, &bytes)
                .tar(),
        );
    }
    Image::new(layers, &json!({"Cmd": ["sh"]}))
}
