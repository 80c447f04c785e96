//! The real `gantry-desktop` in a display of its own, driven by WebKitWebDriver.
//!
//! WebDriver is a little JSON over HTTP, so what the tests need of it is here: see <https://www.w3.org/TR/webdriver2/>.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::scratch::Scratch;
use crate::{Running, free_port, programs, request, run, until};

/// The member that names an element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that WebDriver names by private characters.
pub mod key {
    /// The Enter key.
    pub const ENTER: &str = "\u{E007}";
    /// The Escape key.
    pub const ESCAPE: &str = "\u{E00C}";
    /// The Down arrow.
    pub const DOWN: &str = "\u{E015}";
    /// The Delete key.
    pub const DELETE: &str = "\u{E017}";
}

/// The app's window; closed when dropped.
pub struct App {
    port: u16,
    session: String,
    driver: Running,
    display: Running,
    home: Scratch,
}

/// Something on the page.
#[derive(Clone)]
pub struct Element(String);

impl App {
    /// Opens the app with these variables (where the engine is) in a 1200×800 window.
    ///
    /// # Panics
    /// Where it doesn't open, with what the driver and the app said.
    #[must_use]
    pub fn open(environment: &[(&str, &str)]) -> Self {
        let program = programs().join("gantry-desktop");
        assert!(
            program.exists(),
            "{} is missing: run `cargo build -p gantry-desktop`",
            program.display()
        );
        let home = Scratch::new("home", "");
        // Both die with their test, even where that is killed.
        let dies = |program: &str| {
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "KILL", program])
                .stdin(Stdio::null());
            command
        };
        let display = Running::start(
            dies("Xvfb")
                .args([
                    "-displayfd",
                    "1",
                    "-screen",
                    "0",
                    "1200x800x24",
                    "-nolisten",
                    "tcp",
                    "-nocursor",
                    "-fbdir",
                ])
                .arg(home.path()),
        );
        until("Xvfb should name its display", || {
            match display.stdout().trim() {
                "" => Err(display.stderr()),
                _ => Ok(()),
            }
        });
        let port = free_port();
        let mut command = dies("WebKitWebDriver");
        command.args([format!("--port={port}"), "--host=127.0.0.1".to_owned()]);
        for name in [
            "DOCKER_HOST",
            "DOCKER_CONTEXT",
            "GANTRY_MACHINE_HOME",
            "GANTRY_SOCKET",
            "WAYLAND_DISPLAY",
            "DBUS_SESSION_BUS_ADDRESS",
            "GTK_THEME",
        ] {
            command.env_remove(name);
        }
        command
            .env("DISPLAY", format!(":{}", display.stdout().trim()))
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env("XDG_DATA_HOME", home.path().join("data"))
            .env("XDG_CACHE_HOME", home.path().join("cache"))
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("XDG_STATE_HOME", home.path().join("state"))
            .env("DOCKER_CONFIG", home.path().join("docker"))
            .env("LANG", "C.UTF-8")
            .env("LANGUAGE", "en")
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            // There is no graphics card under Xvfb.
            .env("WEBKIT_DISABLE_COMPOSITING_MODE", "1")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .envs(environment.iter().copied());
        let driver = Running::start(&mut command);
        let mut app = Self {
            port,
            session: String::new(),
            driver,
            display,
            home,
        };
        until("WebKitWebDriver should answer", || {
            match app.try_ask("GET", "/status", None) {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?} {}", app.driver.stderr())),
            }
        });
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "webkitgtk:browserOptions": {"binary": program, "args": []},
        }}});
        let answer = app.ask("POST", "/session", Some(&capabilities));
        app.session = answer["sessionId"].as_str().unwrap_or_default().to_owned();
        assert!(
            !app.session.is_empty(),
            "no session: {answer} {}",
            app.driver.stderr()
        );
        app.find("main");
        app
    }

    fn try_ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        let stream =
            TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .map_err(|error| error.to_string())?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = [("Content-Type", "application/json; charset=utf-8")];
        let answer = request(stream, method, path, &headers, body.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut value: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{error}: {}", answer.text()))?;
        Ok((answer.status, value["value"].take()))
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        match self.try_ask(method, path, body) {
            Ok((200, value)) => value,
            other => panic!(
                "{method} {path}: {other:?}\nthe app said: {}",
                self.driver.stderr()
            ),
        }
    }

    fn try_in_session(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        match self.try_ask(method, &format!("/session/{}{path}", self.session), body) {
            Ok((200, value)) => Ok(value),
            other => Err(format!("{other:?}")),
        }
    }

    /// Waits until the page has something that this CSS selector finds.
    ///
    /// # Panics
    /// Where it doesn't come, with what the page shows.
    #[must_use]
    #[track_caller]
    pub fn find_all(&self, selector: &str) -> Vec<Element> {
        until(&format!("the page should have {selector}"), || {
            let found = self.try_in_session(
                "POST",
                "/elements",
                Some(&json!({"using": "css selector", "value": selector})),
            )?;
            let elements: Vec<_> = found
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|element| element[ELEMENT].as_str())
                .map(|id| Element(id.to_owned()))
                .collect();
            if elements.is_empty() {
                Err(format!("the page shows: {}", self.text()))
            } else {
                Ok(elements)
            }
        })
    }

    /// The first of [`App::find_all`].
    ///
    /// # Panics
    /// As that.
    #[track_caller]
    pub fn find(&self, selector: &str) -> Element {
        self.find_all(selector).swap_remove(0)
    }

    /// Presses what the selector finds, once it can be pressed.
    ///
    /// # Panics
    /// Where it can't.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        until(&format!("{selector} should be pressed"), || {
            // What is drawn anew between the look and the press is looked for again.
            let Element(id) = self.find(selector);
            self.try_in_session("POST", &format!("/element/{id}/click"), Some(&json!({})))
        });
    }

    /// Presses the first button, tab, link or menu entry with this text.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn press(&self, text: &str) {
        let script = "const shown = [...document.querySelectorAll('button, a, [role=tab], [role=menuitem]')]
            .find((e) => e.textContent.trim() === arguments[0] && e.offsetParent !== null && !e.disabled);
            if (shown) shown.click();
            return Boolean(shown);";
        until(&format!("\"{text}\" should be there to press"), || {
            if self.script(script, &json!([text])) == json!(true) {
                Ok(())
            } else {
                Err(self.text())
            }
        });
    }

    /// Types into what the selector finds.
    ///
    /// # Panics
    /// Where it can't be typed into.
    #[track_caller]
    pub fn type_into(&self, selector: &str, keys: &str) {
        let Element(id) = self.find(selector);
        let typed = self.try_in_session(
            "POST",
            &format!("/element/{id}/value"),
            Some(&json!({"text": keys})),
        );
        assert!(typed.is_ok(), "typing into {selector}: {typed:?}");
    }

    /// Runs a script in the page; its value is what it returns.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn script(&self, script: &str, arguments: &Value) -> Value {
        match self.try_in_session(
            "POST",
            "/execute/sync",
            Some(&json!({"script": script, "args": arguments})),
        ) {
            Ok(value) => value,
            Err(error) => panic!("{script}: {error}"),
        }
    }

    /// All that the page shows.
    #[must_use]
    pub fn text(&self) -> String {
        let text = self.try_in_session(
            "POST",
            "/execute/sync",
            Some(&json!({"script": "return document.body.innerText", "args": []})),
        );
        text.map_or_else(
            |error| error,
            |text| text.as_str().unwrap_or_default().to_owned(),
        )
    }

    /// Waits until the page shows this text.
    ///
    /// # Panics
    /// Where it doesn't, with what it shows.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        until(&format!("the page should show {text:?}"), || {
            let shown = self.text();
            if shown.contains(text) {
                Ok(())
            } else {
                Err(shown)
            }
        });
    }

    /// Waits until the page doesn't show this text.
    ///
    /// # Panics
    /// Where it still does.
    #[track_caller]
    pub fn expect_gone(&self, text: &str) {
        until(&format!("the page should not show {text:?}"), || {
            let shown = self.text();
            if shown.contains(text) {
                Err(shown)
            } else {
                Ok(())
            }
        });
    }

    /// Lets the pointer rest at this point of the display.
    ///
    /// # Panics
    /// Where it can't be moved.
    pub fn rest_pointer(&self, x: u32, y: u32) {
        self.xdotool(&["mousemove", &x.to_string(), &y.to_string()]);
    }

    fn xdotool(&self, words: &[&str]) {
        run(Command::new("xdotool")
            .args(words)
            .env("DISPLAY", format!(":{}", self.display.stdout().trim())))
        .ok();
    }

    /// The app's own process; none once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let home = format!("HOME={}", self.home.path().display());
        let ours = |pid: &u32| {
            let process = Path::new("/proc").join(pid.to_string());
            let named = std::fs::read_to_string(process.join("comm"));
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            // The kernel keeps 15 bytes of a name.
            named.is_ok_and(|name| "gantry-desktop".starts_with(name.trim()))
                && (environment.split(|byte| *byte == 0)).any(|each| each == home.as_bytes())
        };
        std::fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(ours)
    }

    /// Goes to a page by its address (`#/images`).
    pub fn go(&self, fragment: &str) {
        self.script("location.hash = arguments[0]", &json!([fragment]));
    }

    /// Saves what the window shows as a PNG: WebDriver's own pictures wait for a repaint that a page at rest never
    /// makes, so the display's memory is read.
    ///
    /// # Panics
    /// Where it can't be read or saved.
    pub fn picture(&self, file: &Path) {
        let screen =
            std::fs::read(self.home.path().join("Xvfb_screen0")).expect("the display's memory");
        let (width, height, pixels) = read_xwd(&screen).expect("an XWD picture of 32 bits a pixel");
        let file = std::fs::File::create(file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().expect("a PNG header");
        writer.write_image_data(&pixels).expect("a PNG");
    }
}

/// Width, height and RGB bytes of an X window dump, as Xvfb keeps its screen: see X11/XWDFile.h.
fn read_xwd(dump: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    let field = |at: usize| {
        Some(u32::from_be_bytes(
            dump.get(at * 4..at * 4 + 4)?.try_into().ok()?,
        ))
    };
    let (header, width, height) = (field(0)?, field(4)?, field(5)?);
    let (bits, line, colours) = (field(11)?, field(12)?, field(19)?);
    // A colour map entry is 12 bytes.
    let pixels = dump.get((header + colours * 12) as usize..)?;
    if bits != 32 {
        return None;
    }
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for row in pixels.chunks_exact(line as usize).take(height as usize) {
        for pixel in row.chunks_exact(4).take(width as usize) {
            rgb.extend_from_slice(&[pixel[2], pixel[1], pixel[0]]);
        }
    }
    Some((width, height, rgb))
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut words = String::new();
            let _ = write!(
                words,
                "--- the page showed:\n{}\n--- the app said:\n{}",
                self.text(),
                self.driver.stderr()
            );
            eprintln!("{words}");
        }
        // Closes the window; the driver and the display end with this value.
        let _ = self.try_in_session("DELETE", "", None);
    }
}
