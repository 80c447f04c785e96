//! A pseudo-terminal with a program in it, as a person would use it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::PATIENCE;

/// A program in a terminal of its own; killed when dropped.
pub struct Terminal {
    master: OwnedFd,
    child: Child,
    said: Vec<u8>,
    /// What `expect` has seen already.
    seen: usize,
}

impl Terminal {
    /// Starts a program with this terminal as its input, output and controlling terminal.
    ///
    /// # Panics
    /// Where the kernel gives no terminal or the program can't be started.
    #[must_use]
    #[track_caller]
    pub fn start(command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).expect("a pseudo-terminal");
        unlockpt(&master).expect("a pseudo-terminal");
        let name = ptsname(&master, Vec::new()).expect("a pseudo-terminal has a name");
        resize(&master, 80, 24);
        let open = || {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            Stdio::from(
                rustix::fs::open(name.as_c_str(), flags, Mode::empty())
                    .expect("the pseudo-terminal opens"),
            )
        };
        // `setsid --ctty` makes the terminal the controlling one, so that a new size is told to the program.
        let mut inside = Command::new("setsid");
        inside
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
            .env("TERM", "xterm")
            .stdin(open())
            .stdout(open())
            .stderr(open());
        let child = inside
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {inside:?}: {error}"));
        Self {
            master,
            child,
            said: Vec::new(),
            seen: 0,
        }
    }

    /// Types something.
    ///
    /// # Panics
    /// Where the terminal is gone.
    pub fn send(&mut self, text: &str) {
        let mut file = std::fs::File::from(self.master.try_clone().expect("a descriptor"));
        file.write_all(text.as_bytes())
            .unwrap_or_else(|error| panic!("typing {text:?}: {error}; seen: {}", self.text()));
    }

    /// Waits until `text` appears after what earlier calls have seen.
    ///
    /// # Panics
    /// Where it doesn't in time, with all that the terminal showed.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = String::from_utf8_lossy(&self.said[self.seen..]).into_owned();
            if let Some(at) = rest.find(text) {
                self.seen = (self.seen + at + text.len()).min(self.said.len());
                return;
            }
            let more = self.read();
            assert!(
                more && Instant::now() < deadline,
                "the terminal should show {text:?}; it showed {:?}",
                self.text()
            );
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        resize(&self.master, columns, rows);
    }

    /// Waits for the program's end; gives its exit code.
    ///
    /// # Panics
    /// Where it doesn't end.
    #[track_caller]
    pub fn end(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.read();
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code().unwrap_or(-1);
            }
            assert!(
                Instant::now() < deadline,
                "the program in the terminal does not end: {:?}",
                self.text()
            );
        }
    }

    /// All that was shown.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// Reads what there is, waiting a moment; `false` where nothing will come any more.
    fn read(&mut self) -> bool {
        let moment = Timespec::try_from(Duration::from_millis(50)).ok();
        let ready = poll(
            &mut [PollFd::new(&self.master, PollFlags::IN)],
            moment.as_ref(),
        );
        if !matches!(ready, Ok(1..)) {
            return true;
        }
        let mut block = [0; 4096];
        // The kernel says "I/O error" when the last program has closed the terminal.
        match rustix::io::read(&self.master, &mut block[..]) {
            Ok(length) if length > 0 => {
                self.said.extend_from_slice(&block[..length]);
                true
            }
            _ => {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(master: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("a terminal has a size");
}
