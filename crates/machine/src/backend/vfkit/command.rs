//! vfkit's command line.

use std::ffi::OsString;
use std::path::Path;

use crate::backend::BackendError;
use crate::backend::cmdline::{self, GuestChannel, share_tag};
use crate::image::GuestImage;
use crate::paths::Paths;
use crate::spec::{MIB, Spec};

/// The vsock port that the guest's agent listens at.
const PORT: u32 = 1024;

/// What was found out about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Rosetta is installed: programs for Intel's processors run in the guest.
    pub rosetta: bool,
}

/// All arguments, without the program.
pub fn command_line(
    spec: &Spec,
    paths: &Paths,
    image: &GuestImage,
    found: Found,
) -> Result<Vec<OsString>, BackendError> {
    let kernel = cmdline::kernel(&spec.name, "hvc0", GuestChannel::Vsock(PORT), &spec.shares)?;
    let mut words: Vec<OsString> = Vec::new();
    let mut option = |flag: &str, value: String| {
        words.push(flag.into());
        words.push(value.into());
    };
    option("--cpus", spec.cpus.to_string());
    option("--memory", (spec.memory / MIB).to_string());
    option(
        "--bootloader",
        format!(
            "linux,kernel={},initrd={},cmdline=\"{kernel}\"",
            plain(&image.kernel)?,
            plain(&image.initrd)?
        ),
    );
    option(
        "--restful-uri",
        format!("unix://{}", plain(&paths.rest_socket())?),
    );
    // The framework's disks can't be opened read-only; the root's file system can't be written in any case.
    option(
        "--device",
        format!("virtio-blk,path={}", plain(&image.root)?),
    );
    option(
        "--device",
        format!("virtio-blk,path={}", plain(&paths.disk())?),
    );
    option("--device", "virtio-net,nat".to_owned());
    option("--device", "virtio-rng".to_owned());
    option(
        "--device",
        format!("virtio-serial,logFilePath={}", plain(&paths.console())?),
    );
    option(
        "--device",
        format!(
            "virtio-vsock,port={PORT},socketURL={},connect",
            plain(&paths.tunnel_socket())?
        ),
    );
    for (index, share) in spec.shares.iter().enumerate() {
        option(
            "--device",
            format!(
                "virtio-fs,sharedDir={},mountTag={}",
                plain(share)?,
                share_tag(index)
            ),
        );
    }
    if found.rosetta {
        option("--device", "rosetta,mountTag=rosetta".to_owned());
    }
    Ok(words)
}

/// A path as vfkit takes it: it parts its options at commas and knows no quoting for paths.
fn plain(path: &Path) -> Result<&str, BackendError> {
    match path.to_str() {
        Some(text) if !text.contains([',', '"']) => Ok(text),
        _ => Err(BackendError::Unfit(format!(
            "vfkit takes no path with a comma or a quotation mark: {}",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture;
    use crate::paths::Home;

    #[test]
    fn a_mac_with_rosetta_and_two_folders() {
        let (spec, _, image) = fixture::machine();
        let home = Home::new(
            "/Users/me/Library/Application Support/gantry",
            "/tmp/gantry-501",
        );
        let paths = home.machine(&spec.name).unwrap();
        let words = command_line(&spec, &paths, &image, Found { rosetta: true }).unwrap();
        insta::assert_snapshot!(fixture::shown(&words));
    }

    #[test]
    fn a_path_that_would_be_taken_for_options_is_refused() {
        let (spec, paths, image) = fixture::machine();
        let error = command_line(&spec, &paths, &image, Found { rosetta: false }).unwrap_err();
        assert!(error.to_string().contains("with comma"), "{error}");
    }
}
