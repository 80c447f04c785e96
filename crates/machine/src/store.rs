//! Machines on disk: made whole or not at all, changed under a lock, removed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::name::{MachineName, NameError};
use crate::paths::{Home, PathError, Paths};
use crate::spec::{Spec, SpecError, sync_folder};

/// More machines than this are not listed.
const MAX_MACHINES: usize = 1000;

/// Why a machine could not be made, found, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none of that name.
    #[error("no machine named {0}. `gantry machine init {0}` makes it")]
    NotFound(MachineName),
    /// There is one already.
    #[error("there is a machine named {0} already")]
    Exists(MachineName),
    /// It runs, and must not for what was asked.
    #[error("machine {0} is running. Stop it first: `gantry machine stop {0}`")]
    Running(MachineName),
    /// Disks only grow.
    #[error("the disk of machine {name} has {now} bytes and can't become smaller ({wanted} bytes)")]
    DiskShrinks {
        /// The machine.
        name: MachineName,
        /// Its disk's size in bytes.
        now: u64,
        /// The size asked for.
        wanted: u64,
    },
    /// Its description.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Its paths.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Its name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file or folder.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File {
        action,
        path,
        source,
    }
}

/// All machines of a user.
#[derive(Debug, Clone)]
pub struct Store {
    home: Home,
}

/// A machine in the store.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What it is to be.
    pub spec: Spec,
    /// Its files.
    pub paths: Paths,
}

/// A machine by its name, or why it can't be read.
pub type Listed = (MachineName, Result<Machine, StoreError>);

/// The sole right to change a machine's files, until dropped.
#[derive(Debug)]
pub struct Locked {
    _file: File,
}

impl Store {
    /// The machines in `home`.
    pub fn new(home: Home) -> Store {
        Store { home }
    }

    /// Where they lie.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// All machines by name, with an error for each that can't be read.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let folder = self.home.machines();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file("read", &folder)(error)),
        };
        // Folders whose name no machine can have are being made or removed.
        let mut names: Vec<MachineName> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .take(MAX_MACHINES)
            .collect();
        names.sort();
        Ok(names
            .into_iter()
            .map(|name| {
                let machine = self.get(&name);
                (name, machine)
            })
            .collect())
    }

    /// The machine `name`.
    pub fn get(&self, name: &MachineName) -> Result<Machine, StoreError> {
        let paths = self.home.machine(name)?;
        if !paths.data().is_dir() {
            return Err(StoreError::NotFound(name.clone()));
        }
        let spec = Spec::load(&paths.spec())?;
        Ok(Machine { spec, paths })
    }

    /// Makes a machine: a folder beside the others is filled and then renamed, so that it is there whole or not at all.
    pub fn create(&self, spec: &Spec) -> Result<Machine, StoreError> {
        spec.check()?;
        let paths = self.home.machine(&spec.name)?;
        let machines = self.home.machines();
        private_folder(&machines).map_err(file("make", &machines))?;
        if paths.data().exists() {
            return Err(StoreError::Exists(spec.name.clone()));
        }
        // A name that no machine can have: `list` doesn't see it, the next `create` removes what a crash left.
        let making = machines.join(format!(".{}.making", spec.name));
        let _one = lock_file(&machines.join(".lock"), Wait::Yes)?;
        match fs::remove_dir_all(&making) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file("remove", &making)(error));
            }
            _ => {}
        }
        private_folder(&making).map_err(file("make", &making))?;
        let filled = (|| {
            spec.save(&making.join("machine.json"))?;
            let disk = making.join("data.img");
            grow(&disk, spec.disk)?;
            // Renaming onto a folder that isn't empty fails: two makers can't both win.
            fs::rename(&making, paths.data()).map_err(|error| {
                if paths.data().exists() {
                    StoreError::Exists(spec.name.clone())
                } else {
                    file("rename", &making)(error)
                }
            })?;
            sync_folder(&machines).map_err(file("sync", &machines))
        })();
        if filled.is_err() {
            let _ = fs::remove_dir_all(&making);
        }
        filled?;
        Ok(Machine {
            spec: spec.clone(),
            paths,
        })
    }

    /// Changes a machine's description; `change` may refuse. The data disk grows with it.
    pub fn change(
        &self,
        name: &MachineName,
        change: impl FnOnce(&mut Spec) -> Result<(), StoreError>,
    ) -> Result<Machine, StoreError> {
        let _locked = self.lock(name)?;
        let mut machine = self.get(name)?;
        let before = machine.spec.disk;
        change(&mut machine.spec)?;
        if machine.spec.disk < before {
            return Err(StoreError::DiskShrinks {
                name: name.clone(),
                now: before,
                wanted: machine.spec.disk,
            });
        }
        machine.spec.save(&machine.paths.spec())?;
        Ok(machine)
    }

    /// Waits for the sole right to change machine `name`'s files.
    pub fn lock(&self, name: &MachineName) -> Result<Locked, StoreError> {
        let paths = self.home.machine(name)?;
        if !paths.data().is_dir() {
            return Err(StoreError::NotFound(name.clone()));
        }
        lock_file(&paths.lock(), Wait::Yes)
    }

    /// Proof that neither a host process of the machine nor its virtual machine lives, and that none starts while it is
    /// held.
    pub fn idle(&self, name: &MachineName) -> Result<Locked, StoreError> {
        let hosting = self.hosting(name)?;
        if self.has_orphan(name)? {
            return Err(StoreError::Running(name.clone()));
        }
        Ok(hosting)
    }

    /// Whether a virtual machine listens at the machine's sockets. Without a host process it is an orphan.
    pub fn has_orphan(&self, name: &MachineName) -> Result<bool, StoreError> {
        let paths = self.home.machine(name)?;
        #[cfg(unix)]
        let lives = [paths.qmp_socket(), paths.rest_socket()]
            .iter()
            .any(|socket| std::os::unix::net::UnixStream::connect(socket).is_ok());
        // Windows' back ends are asked by their own programs.
        #[cfg(not(unix))]
        let lives = {
            let _ = paths;
            false
        };
        Ok(lives)
    }

    /// The right to be the machine's one host process, while it is held.
    pub(crate) fn hosting(&self, name: &MachineName) -> Result<Locked, StoreError> {
        let paths = self.home.machine(name)?;
        private_folder(paths.run()).map_err(file("make", paths.run()))?;
        match lock_file(&paths.host_lock(), Wait::No) {
            Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
                Err(StoreError::Running(name.clone()))
            }
            other => other,
        }
    }

    /// Waits until the machine's host process has ended. Blocks.
    pub fn until_unhosted(&self, name: &MachineName) -> Result<(), StoreError> {
        let paths = self.home.machine(name)?;
        lock_file(&paths.host_lock(), Wait::Yes).map(drop)
    }

    /// Whether a host process of the machine lives.
    pub fn is_hosted(&self, name: &MachineName) -> Result<bool, StoreError> {
        let paths = self.home.machine(name)?;
        if !paths.host_lock().exists() {
            return Ok(false);
        }
        match self.hosting(name) {
            Ok(_) => Ok(false),
            Err(StoreError::Running(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Removes a machine that doesn't run, with all its data.
    pub fn remove(&self, name: &MachineName) -> Result<(), StoreError> {
        let paths = self.home.machine(name)?;
        if !paths.data().is_dir() {
            return Err(StoreError::NotFound(name.clone()));
        }
        let _idle = self.idle(name)?;
        let machines = self.home.machines();
        let going = machines.join(format!(".{name}.removing"));
        let _one = lock_file(&machines.join(".lock"), Wait::Yes)?;
        // What a crash left.
        let _ = fs::remove_dir_all(&going);
        fs::rename(paths.data(), &going).map_err(file("rename", paths.data()))?;
        fs::remove_dir_all(&going).map_err(file("remove", &going))?;
        fs::remove_dir_all(paths.run()).map_err(file("remove", paths.run()))
    }

    /// Makes the data of a machine that doesn't run new: an empty disk in place of the old.
    pub fn reset(&self, name: &MachineName) -> Result<(), StoreError> {
        let machine = self.get(name)?;
        let _idle = self.idle(name)?;
        let _locked = self.lock(name)?;
        let disk = machine.paths.disk();
        let fresh = machine.paths.data().join("data.img.new");
        let _ = fs::remove_file(&fresh);
        grow(&fresh, machine.spec.disk)?;
        fs::rename(&fresh, &disk).map_err(file("rename", &fresh))?;
        sync_folder(machine.paths.data()).map_err(file("sync", machine.paths.data()))
    }
}

impl Machine {
    /// Bytes that the data disk takes of the host's; its holes don't count.
    pub fn disk_used(&self) -> io::Result<u64> {
        let metadata = fs::metadata(self.paths.disk())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(metadata.blocks() * 512)
        }
        #[cfg(not(unix))]
        Ok(metadata.len())
    }

    /// Makes the data disk as large as the description says. Never smaller.
    pub fn ready_disk(&self) -> Result<(), StoreError> {
        grow(&self.paths.disk(), self.spec.disk)
    }
}

/// Makes `path` a file of at least `bytes`, sparse.
fn grow(path: &Path, bytes: u64) -> Result<(), StoreError> {
    let disk = private_file(OpenOptions::new().read(true).write(true).create(true), path)
        .map_err(file("open", path))?;
    let now = disk.metadata().map_err(file("read", path))?.len();
    if now < bytes {
        disk.set_len(bytes).map_err(file("grow", path))?;
        disk.sync_all().map_err(file("sync", path))?;
    }
    Ok(())
}

enum Wait {
    Yes,
    No,
}

fn lock_file(path: &Path, wait: Wait) -> Result<Locked, StoreError> {
    let opened = private_file(OpenOptions::new().write(true).create(true), path)
        .map_err(file("open", path))?;
    match wait {
        Wait::Yes => opened.lock(),
        Wait::No => opened.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            TryLockError::Error(error) => error,
        }),
    }
    .map_err(file("lock", path))?;
    Ok(Locked { _file: opened })
}

/// Opens a file that, if made, only its owner can read.
pub(crate) fn private_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Makes a folder, and those above it, that only its owner can enter. An existing one must be so already: what others
/// can write is no place for sockets.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt};
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        let metadata = fs::symlink_metadata(path)?;
        let mine = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || !mine || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others own it or may write into it",
            ));
        }
        Ok(())
    }
    #[cfg(not(unix))]
    fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::GIB;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Home::new(folder.path(), folder.path().join("run")));
        (folder, store)
    }

    fn spec(name: &str) -> Spec {
        Spec {
            disk: GIB,
            ..Spec::defaults(name.parse().unwrap(), 2, 8 * GIB)
        }
    }

    #[test]
    fn a_machine_is_made_listed_changed_and_removed() {
        let (_folder, store) = store();
        assert!(store.list().unwrap().is_empty());
        store.create(&spec("b")).unwrap();
        let machine = store.create(&spec("a")).unwrap();
        assert!(matches!(
            store.create(&spec("a")),
            Err(StoreError::Exists(_))
        ));
        let names: Vec<String> = store
            .list()
            .unwrap()
            .into_iter()
            .map(|(name, _)| name.to_string())
            .collect();
        assert_eq!(names, ["a", "b"]);
        let name = machine.spec.name.clone();
        let changed = store
            .change(&name, |spec| {
                spec.disk = 2 * GIB;
                Ok(())
            })
            .unwrap();
        changed.ready_disk().unwrap();
        assert_eq!(fs::metadata(changed.paths.disk()).unwrap().len(), 2 * GIB);
        assert!(changed.disk_used().unwrap() < GIB);
        let smaller = store.change(&name, |spec| {
            spec.disk = GIB;
            Ok(())
        });
        assert!(matches!(smaller, Err(StoreError::DiskShrinks { .. })));
        store.remove(&name).unwrap();
        assert!(matches!(store.get(&name), Err(StoreError::NotFound(_))));
        store.create(&spec("a")).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_no_machine_and_in_nobodys_way() {
        let (_folder, store) = store();
        fs::create_dir_all(store.home().machines().join(".a.making")).unwrap();
        fs::write(store.home().machines().join(".a.making/data.img"), "x").unwrap();
        assert!(store.list().unwrap().is_empty());
        let machine = store.create(&spec("a")).unwrap();
        assert_eq!(fs::metadata(machine.paths.disk()).unwrap().len(), GIB);
    }

    #[test]
    fn a_hosted_machine_is_neither_removed_nor_reset() {
        let (_folder, store) = store();
        let name = store.create(&spec("a")).unwrap().spec.name;
        assert!(!store.is_hosted(&name).unwrap());
        let held = store.idle(&name).unwrap();
        assert!(store.is_hosted(&name).unwrap());
        assert!(matches!(store.remove(&name), Err(StoreError::Running(_))));
        assert!(matches!(store.reset(&name), Err(StoreError::Running(_))));
        drop(held);
        store.reset(&name).unwrap();
        store.remove(&name).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_of_others_is_no_place_for_sockets() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(&open).is_err());
        assert!(private_folder(&folder.path().join("mine")).is_ok());
        std::os::unix::fs::symlink(folder.path().join("mine"), folder.path().join("link")).unwrap();
        assert!(private_folder(&folder.path().join("link")).is_err());
    }
}
