//! Facts about the machine, for `/info` and `/version`.

use std::path::Path;

use rustix::system::{sysinfo, uname};

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Of the kernel.
    pub kernel: String,
    /// As the kernel calls it: `x86_64`.
    pub architecture: String,
    /// Its name in the network.
    pub name: String,
    /// As `/etc/os-release` says.
    pub operating_system: String,
    /// As `/etc/os-release` says.
    pub os_version: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Bytes.
    pub memory: u64,
    /// Whether the kernel forwards IPv4.
    pub forwards_ipv4: bool,
    /// Whether the unified cgroup hierarchy has the controllers.
    pub cgroup_v2: bool,
    /// Whether swap of a container can be limited.
    pub limits_swap: bool,
}

impl Machine {
    /// Looks around. Reads a few small files of the kernel.
    pub fn look() -> Machine {
        let kernel = uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let release = std::fs::read_to_string("/etc/os-release")
            .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"))
            .unwrap_or_default();
        let info = sysinfo();
        let cgroup_v2 = is_v2();
        Machine {
            kernel: text(kernel.release()),
            architecture: text(kernel.machine()),
            name: text(kernel.nodename()),
            operating_system: field(&release, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            os_version: field(&release, "VERSION_ID").unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory: info.totalram * u64::from(info.mem_unit),
            forwards_ipv4: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
                .is_ok_and(|text| text.trim() == "1"),
            cgroup_v2,
            limits_swap: limits_swap(cgroup_v2),
        }
    }
}

/// Where cgroup2 is mounted on its own, `/sys/fs/cgroup` itself lists the controllers.
fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// On v1 the root group has the files of limits as well. On v2 any group below it tells; where there is none yet, the
/// kernel's table of swap does, which is there just where those files are.
fn limits_swap(cgroup_v2: bool) -> bool {
    if !cgroup_v2 {
        return Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists();
    }
    let groups = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
    let mut limited = groups
        .flatten()
        .map(|group| group.path())
        .filter(|group| group.join("memory.max").exists());
    limited.next().map_or_else(
        || Path::new("/proc/swaps").exists(),
        |group| group.join("memory.swap.max").exists(),
    )
}

/// One value of an `os-release` file: <https://www.freedesktop.org/software/systemd/man/os-release.html>.
fn field(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    })
}

/// Go's name of an architecture, which image configs and `/version` use.
pub fn go_architecture() -> String {
    gantry_image::Platform::host().architecture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_file_is_read() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID='13'\n";
        assert_eq!(
            field(text, "PRETTY_NAME").as_deref(),
            Some("Debian GNU/Linux 13 (trixie)")
        );
        assert_eq!(field(text, "VERSION_ID").as_deref(), Some("13"));
        assert_eq!(field(text, "VERSION"), None);
    }

    #[test]
    fn this_machine_has_memory_and_a_kernel() {
        let machine = Machine::look();
        assert!(
            machine.memory > 1 << 20 && machine.processors > 0 && !machine.kernel.is_empty(),
            "{machine:?}"
        );
    }
}
