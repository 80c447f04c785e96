//! The kernel's modules: read from a list made with the image, loaded as many at once as there are processors.
//!
//! A list (`*.order`) has a line a module: its file, then the files of those that it needs, which come in earlier
//! lines. Modules that nobody needs before the engine runs aren't listed; the kernel asks `/sbin/modprobe` for them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::system::finit_module;

use super::error::{InitError, file};

/// One module of a list.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    /// Its file, below the list's folder.
    path: String,
    /// Places in the list of those that it needs.
    needs: Vec<usize>,
}

/// Loads the modules of a stage: those of `<stage>.order`, and of `<stage>.hyperv.order` where the machine is Hyper-V's,
/// whose devices are no one else's. A list that isn't there is empty.
pub fn load(folder: &Path, stage: &str) -> Result<(), InitError> {
    load_list(folder, &folder.join(format!("{stage}.order")))?;
    let vendor = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    if vendor.starts_with("Microsoft") {
        load_list(folder, &folder.join(format!("{stage}.hyperv.order")))?;
    }
    Ok(())
}

fn load_list(folder: &Path, list: &Path) -> Result<(), InitError> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file("read", list)(error)),
    };
    let modules = parse(list, &text)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let progress = Progress::new(modules.len());
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| progress.work(folder, &modules));
        }
        progress.work(folder, &modules);
    });
    progress.result()
}

fn parse(list: &Path, text: &str) -> Result<Vec<Module>, InitError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut modules = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(path) = words.next() else { continue };
        let needs = words.map(|need| {
            places
                .get(need)
                .copied()
                .ok_or_else(|| InitError::ModuleOrder {
                    path: list.to_owned(),
                    name: path.to_owned(),
                    needs: need.to_owned(),
                })
        });
        let needs = needs.collect::<Result<_, _>>()?;
        places.insert(path, modules.len());
        modules.push(Module {
            path: path.to_owned(),
            needs,
        });
    }
    Ok(modules)
}

/// What the loading threads share.
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Waits,
    Loads,
    Done,
}

struct State {
    steps: Vec<Step>,
    failed: Option<InitError>,
}

impl Progress {
    fn new(modules: usize) -> Self {
        Self {
            state: Mutex::new(State {
                steps: vec![Step::Waits; modules],
                failed: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Loads what can be loaded until nothing is left. The list's order makes sure that a module that waits waits for
    /// one that loads.
    fn work(&self, folder: &Path, modules: &[Module]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.failed.is_some() || !state.steps.contains(&Step::Waits) {
                return;
            }
            let Some(next) = ready(&state.steps, modules) else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.steps[next] = Step::Loads;
            drop(state);
            let loaded = load_one(folder, &modules[next].path);
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.steps[next] = Step::Done;
            if let Err(error) = loaded {
                state.failed.get_or_insert(error);
            }
            self.changed.notify_all();
        }
    }

    fn result(self) -> Result<(), InitError> {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        state.failed.map_or(Ok(()), Err)
    }
}

/// The first module that waits for nobody.
fn ready(steps: &[Step], modules: &[Module]) -> Option<usize> {
    let is_ready = |module: &Module| module.needs.iter().all(|&need| steps[need] == Step::Done);
    (0..modules.len()).find(|&at| steps[at] == Step::Waits && is_ready(&modules[at]))
}

fn load_one(folder: &Path, path: &str) -> Result<(), InitError> {
    let name = module_name(path);
    if Path::new("/sys/module").join(&name).exists() {
        return Ok(());
    }
    let opened = File::open(folder.join(path)).map_err(|source| InitError::Module {
        name: name.clone(),
        source,
    })?;
    match finit_module(opened, c"", 0) {
        // Loaded already, or for a device that this machine hasn't got.
        Ok(()) | Err(Errno::EXIST | Errno::NODEV) => Ok(()),
        Err(error) => Err(InitError::Module {
            name,
            source: error.into(),
        }),
    }
}

/// As the kernel calls the module of a file.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".ko").unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "drivers/virtio/virtio.ko\n\
                        drivers/virtio/virtio_ring.ko drivers/virtio/virtio.ko\n\n\
                        drivers/block/virtio_blk.ko drivers/virtio/virtio_ring.ko drivers/virtio/virtio.ko\n\
                        fs/squashfs/squashfs.ko\n";

    #[test]
    fn a_module_waits_for_what_it_needs() {
        let modules = parse(Path::new("root.order"), LIST).expect("in order");
        let needs: Vec<_> = modules
            .iter()
            .map(|module| module.needs.as_slice())
            .collect();
        assert_eq!(needs, [&[][..], &[0], &[1, 0], &[]]);

        let mut steps = vec![Step::Waits; 4];
        assert_eq!(ready(&steps, &modules), Some(0));
        steps[0] = Step::Loads;
        // Nothing else is free but the one that needs nobody.
        assert_eq!(ready(&steps, &modules), Some(3));
        steps[3] = Step::Done;
        assert_eq!(ready(&steps, &modules), None);
        steps[0] = Step::Done;
        assert_eq!(ready(&steps, &modules), Some(1));
    }

    #[test]
    fn a_list_out_of_order_is_refused() {
        let turned = "b.ko a.ko\na.ko\n";
        let error = parse(Path::new("x.order"), turned).expect_err("out of order");
        assert!(
            matches!(error, InitError::ModuleOrder { name, needs, .. } if name == "b.ko" && needs == "a.ko")
        );
        // Nor can a module need itself.
        assert!(parse(Path::new("x.order"), "a.ko a.ko\n").is_err());
        assert!(parse(Path::new("x.order"), "").expect("empty").is_empty());
    }

    #[test]
    fn files_are_called_with_dashes_and_modules_never() {
        assert_eq!(
            module_name("kernel/drivers/char/hw_random/virtio-rng.ko"),
            "virtio_rng"
        );
        assert_eq!(module_name("overlay.ko"), "overlay");
    }
}
