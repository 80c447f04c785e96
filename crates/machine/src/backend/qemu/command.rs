//! QEMU's command line.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::Accelerator;
use crate::backend::BackendError;
use crate::backend::cmdline::{self, GuestChannel, share_tag};
use crate::image::GuestImage;
use crate::paths::Paths;
use crate::spec::{MIB, Spec};

/// The name of the data disk's block node.
pub const DATA_NODE: &str = "data";

/// The host, as the guest sees it in QEMU's user network.
const GATEWAY: &str = "10.0.2.2";

/// What was found out about the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The guest's architecture, as Rust names it.
    pub arch: &'a str,
    /// What helps the processor.
    pub accelerator: Accelerator,
    /// Memory can be shared with the folders' servers (`memory-backend-memfd`: Linux).
    pub memfd: bool,
    /// How many of the machine's folders have a server.
    pub shares: usize,
}

/// The machine, the processor and the console for an architecture.
pub fn platform(
    arch: &str,
    accelerator: Accelerator,
) -> (&'static str, &'static str, &'static str) {
    let emulated = accelerator == Accelerator::Tcg;
    match (arch, emulated) {
        ("aarch64", true) => ("virt,gic-version=max", "max,pauth-impdef=on", "ttyAMA0"),
        ("aarch64", false) => ("virt,gic-version=max", "host", "ttyAMA0"),
        (_, true) => ("q35,hpet=off,vmport=off", "max", "ttyS0"),
        (_, false) => ("q35,hpet=off,vmport=off", "host", "ttyS0"),
    }
}

/// All arguments, without the program.
pub fn command_line(
    spec: &Spec,
    paths: &Paths,
    image: &GuestImage,
    found: &Found<'_>,
) -> Result<Vec<OsString>, BackendError> {
    let (machine, cpu, console) = platform(found.arch, found.accelerator);
    let shares = spec.shares.get(..found.shares).unwrap_or(&spec.shares);
    let mut kernel_line = cmdline::kernel(&spec.name, console, GuestChannel::Serial, shares)?;
    kernel_line += &format!(" gantry.gateway={GATEWAY}");
    if found.arch == "x86_64" {
        // Where nothing helps the processor, the kernel's check of its timer fails now and then.
        kernel_line += " no_timer_check";
    }
    let memory = spec.memory / MIB;
    let mut line = Line::default();
    line.flag("-nodefaults")
        .flag("-no-user-config")
        .flag("-no-reboot")
        .flag("-daemonize")
        .option("-display", "none")
        .option("-name", format!("gantry-{}", spec.name))
        .option("-machine", format!("{machine},memory-backend=memory"))
        .option("-accel", accelerator(found.accelerator))
        .option("-cpu", cpu)
        .option("-smp", spec.cpus.to_string())
        .option("-m", format!("{memory}M"))
        .option(
            "-object",
            if found.memfd {
                format!("memory-backend-memfd,id=memory,size={memory}M,share=on")
            } else {
                format!("memory-backend-ram,id=memory,size={memory}M")
            },
        )
        .option("-kernel", &image.kernel)
        .option("-initrd", &image.initrd)
        .option("-append", kernel_line);
    // The console's file.
    line.chardev("file", "console", &paths.console(), "append=on")
        .option("-serial", "chardev:console");
    // The monitor.
    line.chardev(
        "socket",
        "monitor",
        &paths.qmp_socket(),
        "server=on,wait=off",
    )
    .option("-mon", "chardev=monitor,mode=control");
    // The tunnel.
    line.chardev(
        "socket",
        "tunnel",
        &paths.tunnel_socket(),
        "server=on,wait=off",
    )
    .option("-device", "virtio-serial-pci,id=serial,max_ports=2")
    .option(
        "-device",
        "virtserialport,bus=serial.0,nr=1,chardev=tunnel,name=gantry.tunnel",
    );
    // The disks: the root first, as the guest expects.
    line.disk("root", &image.root, json!({"read-only": true}), json!({}))?
        .option("-device", "virtio-blk-pci,drive=root")
        .disk(
            DATA_NODE,
            &paths.disk(),
            json!({"discard": "unmap"}),
            json!({"discard": "unmap", "detect-zeroes": "unmap"}),
        )?
        .option(
            "-device",
            format!("virtio-blk-pci,drive={DATA_NODE},discard=on"),
        );
    line.option("-netdev", "user,id=net")
        .option("-device", "virtio-net-pci,netdev=net,romfile=")
        .option(
            "-device",
            "virtio-balloon-pci,id=balloon,free-page-reporting=on,deflate-on-oom=on",
        )
        .option("-device", "virtio-rng-pci");
    for index in 0..shares.len() {
        let tag = share_tag(index);
        line.chardev("socket", &tag, &paths.share_socket(index), "")
            .option(
                "-device",
                format!("vhost-user-fs-pci,chardev={tag},tag={tag}"),
            );
    }
    Ok(line.words)
}

fn accelerator(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Hvf => "hvf",
        Accelerator::Whpx => "whpx,kernel-irqchip=off",
        Accelerator::Tcg => "tcg,thread=multi",
    }
}

#[derive(Default)]
struct Line {
    words: Vec<OsString>,
}

impl Line {
    fn flag(&mut self, flag: &str) -> &mut Line {
        self.words.push(flag.into());
        self
    }

    fn option(&mut self, flag: &str, value: impl Into<OsString>) -> &mut Line {
        self.words.push(flag.into());
        self.words.push(value.into());
        self
    }

    /// A character device at `path`, in whose text a comma is written twice.
    fn chardev(&mut self, kind: &str, id: &str, path: &Path, more: &str) -> &mut Line {
        let path = path.to_string_lossy().replace(',', ",,");
        let comma = if more.is_empty() { "" } else { "," };
        self.option(
            "-chardev",
            format!("{kind},id={id},path={path}{comma}{more}"),
        )
    }

    /// A raw image at `path` as block node `node`, in QEMU's JSON: paths need no quoting of ours.
    fn disk(
        &mut self,
        node: &str,
        path: &Path,
        file: serde_json::Value,
        raw: serde_json::Value,
    ) -> Result<&mut Line, BackendError> {
        let path = path.to_str().ok_or_else(|| {
            BackendError::Unfit(format!("the path {} is not UTF-8", path.display()))
        })?;
        let mut below = json!({"driver": "file", "filename": path});
        merge(&mut below, &file);
        let mut whole = json!({"driver": "raw", "node-name": node});
        merge(&mut whole, &raw);
        if file["read-only"] == true {
            whole["read-only"] = true.into();
        }
        whole["file"] = below;
        Ok(self.option("-blockdev", whole.to_string()))
    }
}

fn merge(into: &mut serde_json::Value, from: &serde_json::Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key.as_str()] = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture;

    fn shown(arch: &str, accelerator: Accelerator, memfd: bool, shares: usize) -> String {
        let (spec, paths, image) = fixture::machine();
        let found = Found {
            arch,
            accelerator,
            memfd,
            shares,
        };
        fixture::shown(&command_line(&spec, &paths, &image, &found).unwrap())
    }

    #[test]
    fn linux_with_kvm_and_two_folders() {
        insta::assert_snapshot!(shown("x86_64", Accelerator::Kvm, true, 2));
    }

    #[test]
    fn linux_without_help_or_folders() {
        insta::assert_snapshot!(shown("x86_64", Accelerator::Tcg, true, 0));
    }

    #[test]
    fn a_mac_of_arm_with_hvf() {
        insta::assert_snapshot!(shown("aarch64", Accelerator::Hvf, false, 0));
    }
}
