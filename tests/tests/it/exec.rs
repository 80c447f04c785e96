//! `exec`, with and without a terminal.

use gantry_tests::{Client, World};

both!(
    commands_run_beside_the_first,
    input_and_exit_codes,
    a_terminal_of_its_own,
    environment_user_and_folder,
    what_cannot_be_executed,
);

fn sleeping(client: Client) -> World {
    let world = World::new(client);
    world
        .cli(&[
            "run",
            "-d",
            "--name",
            "c",
            "-e",
            "OUTER=kept",
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    world
}

fn commands_run_beside_the_first(client: Client) {
    let world = sleeping(client);
    let said = world.cli(&[
        "exec",
        "c",
        "sh",
        "-c",
        "echo out; echo err >&2; cat /proc/1/comm",
    ]);
    assert_eq!(
        (said.stdout.as_str(), said.stderr.as_str()),
        ("out\nsleep\n", "err\n"),
        "{said:?}"
    );
    world
        .cli(&["exec", "-d", "c", "sh", "-c", "echo done > /tmp/mark"])
        .ok();
    gantry_tests::until("a detached command should run", || {
        let said = world.cli(&["exec", "c", "cat", "/tmp/mark"]);
        if said.stdout == "done\n" {
            Ok(())
        } else {
            Err(said)
        }
    });
    // A child that outlives its exec doesn't hold it.
    world
        .cli(&["exec", "c", "sh", "-c", "sleep 500 >/dev/null 2>&1 &"])
        .ok();
}

fn input_and_exit_codes(client: Client) {
    let world = sleeping(client);
    let input: String = (0..40_000).map(|line| format!("{line}\n")).collect();
    let said = world.cli_with_input(&["exec", "-i", "c", "cat"], input.as_bytes());
    assert!(
        said.stdout == input,
        "{} of {} bytes; {}",
        said.stdout.len(),
        input.len(),
        said.stderr
    );
    world.cli(&["exec", "c", "sh", "-c", "exit 9"]).fails(9);
    world
        .cli(&["exec", "c", "sh", "-c", "kill -TERM $$"])
        .fails(143);
}

fn a_terminal_of_its_own(client: Client) {
    let world = sleeping(client);
    let mut terminal = world.terminal(&["exec", "-it", "c", "sh"]);
    terminal.expect("#");
    terminal.send("tty; stty size\n");
    terminal.expect("/dev/pts/");
    terminal.expect("24 80");
    terminal.resize(120, 50);
    terminal
        .send("while [ \"$(stty size)\" != '50 120' ]; do usleep 10000; done; echo grown''-up\n");
    terminal.expect("grown-up");
    terminal.send("exit 5\n");
    assert_eq!(terminal.end(), 5);
    assert_eq!(world.status("c"), "running");
}

fn environment_user_and_folder(client: Client) {
    let world = sleeping(client);
    let script = "echo $FROM_IMAGE $OUTER $INNER $HOME $PWD; id -u";
    let words = [
        "exec",
        "-e",
        "INNER=new",
        "-u",
        "user",
        "-w",
        "/var",
        "c",
        "sh",
        "-c",
        script,
    ];
    assert_eq!(world.cli(&words).ok(), "yes kept new /home /var\n1000");
    let signals = world
        .cli(&[
            "exec",
            "c",
            "grep",
            "-E",
            "SigIgn|SigBlk",
            "/proc/self/status",
        ])
        .ok();
    assert!(
        signals
            .lines()
            .all(|line| line.ends_with("0000000000000000")),
        "{signals}"
    );
}

fn what_cannot_be_executed(client: Client) {
    let world = sleeping(client);
    let error = world.cli(&["exec", "c", "no-such-program"]).fails(127);
    assert!(
        error.contains("executable file not found in $PATH"),
        "{error}"
    );
    world.cli(&["exec", "c", "/etc/passwd"]).fails(126);
    let error = world.cli(&["exec", "nobody", "true"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such container: nobody"),
        "{error}"
    );
    world.cli(&["stop", "-t", "0", "c"]).ok();
    let error = world.cli(&["exec", "c", "true"]).fails(1);
    assert!(error.contains("is not running"), "{error}");
}
