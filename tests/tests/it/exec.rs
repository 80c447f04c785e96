//! `exec`, with and without a terminal.

use gantry_tests::{Client, World};

use crate::run::until_size;

both!(
    commands_run_beside_the_first,
    input_and_exit_codes,
    a_terminal_of_its_own,
    environment_user_and_folder,
    what_cannot_be_executed,
);

fn sleeping(client: Client) -> World {
    let world = World::new(client);
    world.background("box", &["-e", "OUTER=kept"], &["sleep", "1000"]);
    world
}

fn commands_run_beside_the_first(client: Client) {
    let world = sleeping(client);
    let said = world.cli(&[
        "exec",
        "box",
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
        .cli(&["exec", "-d", "box", "sh", "-c", "echo done > /tmp/mark"])
        .ok();
    gantry_tests::until("a detached command should run", || {
        let said = world.cli(&["exec", "box", "cat", "/tmp/mark"]);
        if said.stdout == "done\n" {
            Ok(())
        } else {
            Err(said)
        }
    });
    // A child that outlives its exec doesn't hold it.
    world
        .cli(&["exec", "box", "sh", "-c", "sleep 500 >/dev/null 2>&1 &"])
        .ok();
}

fn input_and_exit_codes(client: Client) {
    let world = sleeping(client);
    let input: String = (0..40_000).map(|line| format!("{line}\n")).collect();
    let said = world.cli_with_input(&["exec", "-i", "box", "cat"], input.as_bytes());
    assert!(
        said.stdout == input,
        "{} of {} bytes; {}",
        said.stdout.len(),
        input.len(),
        said.stderr
    );
    world.cli(&["exec", "box", "sh", "-c", "exit 9"]).fails(9);
    world
        .cli(&["exec", "box", "sh", "-c", "kill -TERM $$"])
        .fails(143);
}

fn a_terminal_of_its_own(client: Client) {
    let world = sleeping(client);
    let mut terminal = world.terminal(&["exec", "-it", "box", "sh"]);
    terminal.expect("#");
    terminal.send("tty\n");
    terminal.expect("/dev/pts/");
    until_size(&mut terminal, "24 80");
    terminal.resize(120, 50);
    until_size(&mut terminal, "50 120");
    terminal.send("exit 5\n");
    assert_eq!(terminal.end(), 5);
    assert_eq!(world.status("box"), "running");
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
        "box",
        "sh",
        "-c",
        script,
    ];
    assert_eq!(world.cli(&words).ok(), "yes kept new /home /var\n1000");
    let signals = world
        .cli(&[
            "exec",
            "box",
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
    let said = world.cli(&["exec", "box", "no-such-program"]);
    assert_eq!(said.code, 127, "{said:?}");
    // Docker's engine tells it on either.
    let both = format!("{}{}", said.stdout, said.stderr);
    assert!(
        both.contains("executable file not found in $PATH"),
        "{said:?}"
    );
    world.cli(&["exec", "box", "/etc/passwd"]).fails(126);
    let error = world.cli(&["exec", "nobody", "true"]).fails(1);
    assert!(
        error.to_lowercase().contains("no such container: nobody"),
        "{error}"
    );
    world.cli(&["stop", "-t", "0", "box"]).ok();
    let error = world.cli(&["exec", "box", "true"]).fails(1);
    assert!(error.contains("is not running"), "{error}");
}
