//! What the engine says and what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Crash, stage};
use crate::leftovers::{mounts, names_in, processes};
use crate::{Engine, until};

impl Crash {
    /// Holds the engine's words against processes, folders, mounts, namespaces, interfaces, control groups and rules.
    pub(super) fn agree(&self, what: &str) {
        // A process that was told to end may take a moment.
        until(
            &format!("{what}: the engine and the machine should agree"),
            || self.disagreement().map_or(Ok(()), Err),
        );
        let bystander = self.world.inspect(&self.bystander.0);
        assert_eq!(
            pid(&bystander),
            Some(self.bystander.1),
            "{what}: the container beside it was touched: {}",
            bystander["State"]
        );
    }

    fn disagreement(&self) -> Option<String> {
        let engine = &self.world.engine;
        let ids = ids(engine);
        let mut running = BTreeSet::new();
        for id in &ids {
            let container = self.world.inspect(id);
            let state = container["State"]["Status"].as_str().unwrap_or_default();
            match (state, pid(&container)) {
                ("running", Some(pid)) if is_alive(pid) => {
                    running.insert(id.clone());
                }
                ("created" | "exited", None) => {}
                (state, pid) => return Some(format!("{id} is {state} with process {pid:?}")),
            }
        }
        let (shims, proxies) = match programs(engine, &ids) {
            Ok(programs) => programs,
            Err(unknown) => return Some(unknown),
        };
        let place = engine.place();
        let groups = place.groups().into_values().flatten().collect();
        let data = engine.data_root();
        let found = [
            ("folders", names_in(&data.join("containers")), &ids),
            (
                "state folders",
                names_in(&engine.exec_root().join("containers")),
                &running,
            ),
            ("shims", shims, &running),
            ("proxies", proxies, &running),
            (
                "namespaces",
                names_in(&engine.exec_root().join("netns")),
                &running,
            ),
            ("control groups", groups, &running),
        ];
        for (place, found, expected) in found {
            if found != *expected {
                return Some(format!("{place}: {found:?}, expected {expected:?}"));
            }
        }
        let mounted: BTreeSet<_> = mounts(&data.join("containers"))
            .iter()
            .filter_map(|point| point.strip_prefix(data.join("containers")).ok())
            .filter_map(|point| Some(point.iter().next()?.to_string_lossy().into_owned()))
            .collect();
        if !mounted.is_superset(&running) || !mounted.is_subset(&ids) {
            return Some(format!("mounted: {mounted:?}, running: {running:?}"));
        }
        // Each has one volume, one interface and one port.
        let counts = [
            ("volumes", names_in(&data.join("volumes")), ids.len()),
            ("known volumes", volumes(engine), ids.len()),
            (
                "interfaces",
                place.interfaces().into_iter().collect(),
                running.len(),
            ),
            (
                "redirects",
                place.redirects().into_iter().collect(),
                running.len(),
            ),
        ];
        counts
            .into_iter()
            .find(|(_, found, expected)| found.len() != *expected)
            .map(|(place, found, expected)| format!("{place}: {found:?}, expected {expected}"))
    }

    /// An image is there whole or not at all, and can be pulled (again).
    pub(super) fn judge_image(&self, what: &str, told: bool) {
        let engine = &self.world.engine;
        let image = format!("{}/{}", self.world.registry().host(), stage::PULLED);
        let shown = engine.ask("GET", &format!("/images/{image}/json"), "");
        assert!(
            shown.status == 200 || !told && shown.status == 404,
            "{what}: {} {}",
            shown.status,
            shown.text()
        );
        let scratch = engine.data_root().join("image/tmp");
        assert_eq!(names_in(&scratch), BTreeSet::new(), "{what}: left");
        let path = format!("/images/create?fromImage={image}&tag=latest");
        let pulled = engine.ask("POST", &path, "");
        assert!(
            pulled.text().contains("Status: "),
            "{what}: pulling again: {}",
            pulled.text()
        );
        let last = format!("/layer-{}", stage::LAYERS - 1);
        let words = ["run", "--rm", &image, "/bin/busybox", "wc", "-c", &last];
        let said = self.world.cli(&words);
        assert_eq!(
            said.stdout.trim(),
            format!("{} {last}", stage::LAYER),
            "{what}: {said:?}"
        );
    }
}

/// All containers that the engine knows.
pub(super) fn ids(engine: &Engine) -> BTreeSet<String> {
    names(engine, "/containers/json?all=1", "", "Id")
}

fn volumes(engine: &Engine) -> BTreeSet<String> {
    names(engine, "/volumes", "/Volumes", "Name")
}

fn names(engine: &Engine, path: &str, list: &str, member: &str) -> BTreeSet<String> {
    let answer = engine.ask("GET", path, "");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let answer = answer.json();
    let list = answer.pointer(list).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|one| one[member].as_str().map(str::to_owned))
        .collect()
}

/// The process of a container that has one.
pub(super) fn pid(container: &Value) -> Option<u64> {
    container["State"]["Pid"].as_u64().filter(|pid| *pid > 0)
}

fn is_alive(pid: u64) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

/// The containers that a shim looks after, and those that a proxy listens for; or what else runs there.
fn programs(
    engine: &Engine,
    ids: &BTreeSet<String>,
) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
    let (mut shims, mut proxies) = (BTreeSet::new(), BTreeSet::new());
    for (pid, words) in processes(engine.folder()) {
        if pid == engine.pid() {
            continue;
        }
        let id = ids.iter().find(|id| words.contains(id.as_str()));
        let kind = if words.contains("gantry-proxy") {
            &mut proxies
        } else {
            &mut shims
        };
        match id {
            Some(id) => kind.insert(id.clone()),
            None => return Err(format!("process {pid}: {words}")),
        };
    }
    Ok((shims, proxies))
}
