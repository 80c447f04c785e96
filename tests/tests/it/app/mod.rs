//! The real app in a display of its own, driven through WebDriver against the real engine.

mod container;
mod engine;
mod images;
mod list;
mod logs;
mod machine;
mod terminal;
mod window;

use gantry_tests::{App, World, until};
use serde_json::json;

fn app(world: &World) -> App {
    App::open(&[("DOCKER_HOST", &world.engine.host())])
}

/// The state that the list shows of a container.
fn shown_state(app: &App, name: &str) -> String {
    let script = "const row = document.querySelector(`tr[aria-label=\"${arguments[0]}\"]`);
        return row?.querySelector('.state')?.textContent.trim() ?? 'no row';";
    app.script(script, &json!([name]))
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn until_shown(app: &App, name: &str, state: &str) {
    until(
        &format!("the list should show {name} as {state}"),
        || match shown_state(app, name) {
            shown if shown == state => Ok(()),
            shown => Err((shown, app.text())),
        },
    );
}

fn containers(world: &World) -> usize {
    world
        .engine
        .ask("GET", "/containers/json?all=1", "")
        .json()
        .as_array()
        .map_or(0, Vec::len)
}
