//! Folders of the host's, mounted at the paths that they have there, so that a bind mount means the same on both sides.

use std::path::Path;

use rustix::mount::MountFlags;

use super::cmdline::Share;
use super::console::say;
use super::error::InitError;
use super::mounts::mount_at;

/// The machine's own: a share on one of them, or around one, would take its programs or state away.
const OWN: &[&str] = &[
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/mnt/data",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/gantry",
    "/var/run",
];

/// Mounts them all, outer ones first.
pub fn mount(shares: &[Share]) -> Result<(), InitError> {
    if let Some(hiding) = shares.iter().find(|share| hides_own(&share.path)) {
        return Err(InitError::ShareHides {
            path: hiding.path.clone(),
        });
    }
    for share in shares {
        // Programs and devices of the host's users have no rights of root's in the guest.
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount_at(&share.tag, &share.path, "virtiofs", flags, "")?;
        say(
            "shares",
            format_args!("{} is the host's", share.path.display()),
        );
    }
    Ok(())
}

fn hides_own(path: &Path) -> bool {
    OWN.iter()
        .any(|own| path.starts_with(own) || Path::new(own).starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_folders_stay_its_own() {
        for own in [
            "/usr",
            "/usr/share",
            "/etc/ssl",
            "/var",
            "/var/lib",
            "/var/lib/gantry/x",
            "/mnt",
            "/dev/shm",
            "/",
        ] {
            assert!(hides_own(Path::new(own)), "{own}");
        }
        for fine in [
            "/home/me",
            "/Users/me",
            "/root",
            "/tmp",
            "/var/folders",
            "/mnt/c",
            "/usrlocal",
            "/opt",
            "/private/tmp",
        ] {
            assert!(!hides_own(Path::new(fine)), "{fine}");
        }
    }
}
