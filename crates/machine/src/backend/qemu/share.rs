//! virtiofsd: the server of one shared folder.
//!
//! It comes in two kinds: QEMU's own of earlier days (C, needs root), and its successor in Rust. Both take the socket that
//! they listen at as an open descriptor: ours is their standard input, so it is there before QEMU looks for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Which virtiofsd it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// QEMU's, up to 7.2.
    C,
    /// The one of today.
    Rust,
}

/// Where a virtiofsd may be, in order.
pub fn candidates(path_variable: Option<&std::ffi::OsStr>) -> Vec<PathBuf> {
    let fixed = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"].map(PathBuf::from);
    let on_path: Vec<PathBuf> = path_variable
        .map(|path| {
            std::env::split_paths(path)
                .map(|folder| folder.join("virtiofsd"))
                .collect::<Vec<_>>()
        })
        .unwrap_or_default();
    fixed.into_iter().chain(on_path).collect()
}

/// Which kind says `--version` with these words.
pub fn flavour(version: &str) -> Flavour {
    // "virtiofsd version 7.2.22 (Debian …)" against "virtiofsd 1.10.0".
    if version.contains("virtiofsd version") {
        Flavour::C
    } else {
        Flavour::Rust
    }
}

/// The arguments for `folder`, its socket on standard input.
pub fn command_line(flavour: Flavour, folder: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--fd=0".into()];
    match flavour {
        Flavour::C => {
            // In its options, commas and colons part words: a folder of such a name is refused by `fits`.
            let mut source = OsString::from("source=");
            source.push(folder);
            words.extend(["-f".into(), "-o".into(), source]);
            // Files changed on the host must be seen in the guest.
            words.extend([
                "-o".into(),
                "cache=auto,xattr,announce_submounts,log_level=warn".into(),
            ]);
        }
        Flavour::Rust => {
            words.push("--shared-dir".into());
            words.push(folder.into());
            words.extend(
                [
                    "--cache=auto",
                    "--xattr",
                    "--announce-submounts",
                    "--log-level=warn",
                ]
                .map(OsString::from),
            );
        }
    }
    words
}

/// Whether this kind can serve `folder`, and if not, why.
pub fn fits(flavour: Flavour, folder: &Path, root: bool) -> Result<(), String> {
    if flavour == Flavour::C {
        if folder.to_string_lossy().contains([',', '\\']) {
            return Err(format!(
                "the folder {} is not shared: this virtiofsd takes no comma or backslash in a path. A newer one does",
                folder.display()
            ));
        }
        if !root {
            return Err(format!(
                "the folder {} is not shared: this virtiofsd must be run by root. A newer one (1.x) need not",
                folder.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture::shown;

    #[test]
    fn both_kinds_are_told_apart_and_told_what_to_serve() {
        assert_eq!(
            flavour(
                "virtiofsd version 7.2.22 (Debian 1:7.2)\nusing FUSE kernel interface version 7.36"
            ),
            Flavour::C
        );
        assert_eq!(flavour("virtiofsd 1.10.0"), Flavour::Rust);
        let folder = Path::new("/home/me");
        insta::assert_snapshot!(shown(&command_line(Flavour::C, folder)));
        insta::assert_snapshot!(shown(&command_line(Flavour::Rust, folder)));
        assert!(fits(Flavour::C, folder, false).is_err());
        assert!(fits(Flavour::C, Path::new("/a,b"), true).is_err());
        assert!(fits(Flavour::Rust, Path::new("/a,b"), false).is_ok());
    }
}
