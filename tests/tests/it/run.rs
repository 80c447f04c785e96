//! `run`: what goes in, what comes out, and as whom.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gantry_tests::{Client, Terminal, World, until};

both!(
    output_comes_back_and_nothing_stays,
    exit_codes_come_back,
    input_goes_in,
    a_terminal_is_a_terminal,
    users_are_looked_up_in_the_image,
    a_root_can_be_read_only,
    capabilities_can_be_dropped,
    environment_and_folder,
    hostname_and_init,
    another_runtime,
    what_cannot_run,
    names_are_checked,
);

fn output_comes_back_and_nothing_stays(client: Client) {
    let world = World::new(client);
    let said = world.once(&[], &["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(
        (said.stdout.as_str(), said.stderr.as_str(), said.code),
        ("out\n", "err\n", 0),
        "{said:?}"
    );
    // Removal follows the answer by a moment.
    until("the container should be gone", || {
        let left = world.cli(&["ps", "-aq"]).ok();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

fn exit_codes_come_back(client: Client) {
    let world = World::new(client);
    for code in [0, 1, 42, 255] {
        let said = world.once(&[], &["sh", "-c", &format!("exit {code}")]);
        assert_eq!(said.code, code, "{said:?}");
    }
    // The first process of a container is deaf to its own signals: a child sends itself one.
    world
        .once(&[], &["sh", "-c", "sh -c 'kill -9 $$'; exit $?"])
        .fails(137);
}

fn input_goes_in(client: Client) {
    let world = World::new(client);
    // More than a pipe holds.
    let input: String = (0..40_000).map(|line| format!("{line}\n")).collect();
    let said = world.cli_with_input(&["run", "--rm", "-i", "busybox", "cat"], input.as_bytes());
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stdout == input,
        "{} bytes came back of {}",
        said.stdout.len(),
        input.len()
    );
}

/// A size travels by a signal and a request: it comes after the program has begun.
pub fn until_size(terminal: &mut Terminal, size: &str) {
    terminal.send(&format!(
        "until [ \"$(stty size)\" = '{size}' ]; do usleep 10000; done; echo has''-size\n"
    ));
    terminal.expect("has-size");
}

fn a_terminal_is_a_terminal(client: Client) {
    let world = World::new(client);
    let mut terminal = world.terminal(&["run", "-it", "--rm", "busybox", "sh"]);
    terminal.expect("#");
    terminal.send("tty; echo $TERM\n");
    terminal.expect("/dev/pts/");
    terminal.expect("xterm");
    until_size(&mut terminal, "24 80");
    terminal.resize(100, 40);
    until_size(&mut terminal, "40 100");
    // Ctrl-C is for the program, not for the client. It comes once the program has said something: a shell that is
    // about to start one may be deaf for a moment.
    terminal.send("sh -c \"echo go''ing; exec sleep 1000\"\n");
    terminal.expect("going");
    terminal.send("\x03");
    terminal.send("echo still''-here\n");
    terminal.expect("still-here");
    terminal.send("exit 3\n");
    assert_eq!(terminal.end(), 3);
}

fn users_are_looked_up_in_the_image(client: Client) {
    let world = World::new(client);
    let id = |arguments: &[&str]| {
        world
            .cli(&[&["run", "--rm"], arguments, &["busybox", "id"]].concat())
            .ok()
    };
    assert_eq!(
        id(&["--user", "1000:1000"]),
        "uid=1000(user) gid=1000(user) groups=1000(user)"
    );
    assert_eq!(
        id(&["--user", "user"]),
        "uid=1000(user) gid=1000(user) groups=1000(user),2000(extra)"
    );
    assert!(id(&["--user", "4321"]).starts_with("uid=4321 gid=0(root)"));
    assert!(id(&["--user", "1000:1000", "--group-add", "77"]).contains("77"));
    let error = world.once(&["--user", "nobody-knows"], &["id"]).fails(125);
    assert!(
        error.contains("unable to find user nobody-knows"),
        "{error}"
    );
}

fn a_root_can_be_read_only(client: Client) {
    let world = World::new(client);
    let said = world.once(&["--read-only"], &["touch", "/new"]);
    assert!(
        said.code == 1 && said.stderr.contains("Read-only file system"),
        "{said:?}"
    );
    world
        .once(&["--read-only", "--tmpfs", "/tmp"], &["touch", "/tmp/new"])
        .ok();
}

fn capabilities_can_be_dropped(client: Client) {
    let world = World::new(client);
    let effective = |arguments: &[&str]| {
        let words = [
            &["run", "--rm"],
            arguments,
            &["busybox", "grep", "CapEff", "/proc/self/status"],
        ]
        .concat();
        world
            .cli(&words)
            .ok()
            .split_whitespace()
            .last()
            .map(str::to_owned)
    };
    assert_eq!(
        effective(&["--cap-drop", "ALL"]).as_deref(),
        Some("0000000000000000")
    );
    assert_eq!(
        effective(&[]).as_deref(),
        Some("00000000a80425fb"),
        "Docker's default set"
    );
    assert_eq!(
        effective(&["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"]).as_deref(),
        Some("0000000000000400")
    );
    let said = world.once(&["--cap-drop", "ALL"], &["chown", "1000", "/tmp"]);
    assert!(said.stderr.contains("Operation not permitted"), "{said:?}");
}

fn environment_and_folder(client: Client) {
    let world = World::new(client);
    let script = "echo $ONE $TWO $FROM_IMAGE $PWD $HOME";
    let words = [
        "run",
        "--rm",
        "-e",
        "ONE=1",
        "-e",
        "TWO=a b",
        "-w",
        "/var/new/folder",
        "busybox",
        "sh",
        "-c",
        script,
    ];
    assert_eq!(world.cli(&words).ok(), "1 a b yes /var/new/folder /root");
}

fn hostname_and_init(client: Client) {
    let world = World::new(client);
    let words = [
        "run",
        "--rm",
        "--hostname",
        "named",
        "busybox",
        "sh",
        "-c",
        "hostname; grep -c named /etc/hosts",
    ];
    assert_eq!(world.cli(&words).ok(), "named\n1");
    let first = world.once(&["--init"], &["cat", "/proc/1/comm"]).ok();
    assert_ne!(first, "cat");
}

fn another_runtime(client: Client) {
    // Debian's runc, behind a script that writes down how it is called.
    let folder = tempfile::tempdir().unwrap();
    let (program, calls) = (folder.path().join("by-name"), folder.path().join("calls"));
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\nexec runc \"$@\"\n",
        calls.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let flag = format!("by-name={}", program.display());
    let world = World::with_flags(client, &["--add-runtime", &flag]);
    world.load_busybox();
    let called = |verb: &str| {
        let calls = fs::read_to_string(&calls).unwrap_or_default();
        calls
            .split_whitespace()
            .filter(|word| *word == verb)
            .count()
    };
    assert_eq!(
        world
            .once(&["--runtime", "by-name"], &["echo", "by runc"])
            .ok(),
        "by runc"
    );
    world.background("box", &["--runtime", "by-name"], &["sleep", "1000"]);
    assert_eq!(
        world.cli(&["exec", "box", "echo", "exec by runc"]).ok(),
        "exec by runc"
    );
    world.cli(&["kill", "box"]).ok();
    world.until_status("box", "exited");
    assert_eq!(world.inspect("box")["State"]["ExitCode"], 137);
    assert_eq!((called("create"), called("exec")), (2, 1));
    let own = called("create");
    assert_eq!(world.once(&[], &["echo", "by our own"]).ok(), "by our own");
    assert_eq!(called("create"), own, "nobody asked for it");
    let error = world
        .once(&["--runtime", "none-such"], &["true"])
        .fails(125);
    assert!(error.contains("none-such"), "{error}");
}

fn what_cannot_run(client: Client) {
    let world = World::new(client);
    let error = world
        .to_its_end("missing", &[], &["no-such-program"])
        .fails(127);
    assert!(
        error.contains("\"no-such-program\": executable file not found in $PATH"),
        "{error}"
    );
    let error = world.to_its_end("denied", &[], &["/etc/passwd"]).fails(126);
    assert!(error.contains("permission denied"), "{error}");
    let said = world.to_its_end("folder", &[], &["/etc"]);
    // Docker's clients of before 23 know 126 by the words "permission denied" alone.
    assert!(matches!(said.code, 125 | 126), "{said:?}");
    assert!(said.stderr.contains("is a directory"), "{said:?}");
    assert_eq!(world.inspect("folder")["State"]["ExitCode"], 126);
    // They stay as created, say so, and can be removed.
    for (name, code) in [("missing", 127), ("denied", 126)] {
        let container = world.inspect(name);
        assert_eq!(
            (
                &container["State"]["Status"],
                &container["State"]["ExitCode"]
            ),
            (&"created".into(), &code.into())
        );
    }
    world.cli(&["rm", "missing", "denied", "folder"]).ok();
}

fn names_are_checked(client: Client) {
    let world = World::new(client);
    for name in ["a b", "-a", "a/b", "ä", "x"] {
        let error = world
            .cli(&["create", &format!("--name={name}"), "busybox"])
            .fails(1);
        assert!(error.contains("Invalid container name"), "{name}: {error}");
    }
    world.cli(&["create", "--name", "twice", "busybox"]).ok();
    let error = world
        .cli(&["create", "--name", "twice", "busybox"])
        .fails(1);
    assert!(
        error.contains("Conflict. The container name \"/twice\" is already in use by container"),
        "{error}"
    );
    assert_eq!(
        world.cli(&["ps", "-aq"]).ok().lines().count(),
        1,
        "what failed leaves nothing"
    );
}
