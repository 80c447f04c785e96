//! What a field of an inspected object prints as when it has no value.
//!
//! Docker's own types have these fields always; JSON leaves some out when they are empty, and has null for an empty
//! list. `{{json .Field}}` shows that, but printed, an empty list is `[]`, and a missing text is nothing rather than an
//! error.

use crate::template::Methods;

const LISTS: &[&str] = &[
    "Aliases",
    "Args",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeightDevice",
    "Binds",
    "CapAdd",
    "CapDrop",
    "Cmd",
    "DNSNames",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "Entrypoint",
    "Env",
    "ExecIDs",
    "ExtraHosts",
    "GroupAdd",
    "Layers",
    "Links",
    "MaskedPaths",
    "Mounts",
    "OnBuild",
    "ReadonlyPaths",
    "RepoDigests",
    "RepoTags",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
    "SecurityOpt",
    "Shell",
    "Ulimits",
    "VolumesFrom",
];
const MAPS: &[&str] = &[
    "Annotations",
    "ConfigDict",
    "Containers",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];
const TEXTS: &[&str] = &[
    "Author",
    "Comment",
    "Container",
    "DockerVersion",
    "MacAddress",
    "OsVersion",
    "Parent",
    "StopSignal",
    "User",
    "Variant",
    "WorkingDir",
];
const NUMBERS_AND_OBJECTS: &[&str] = &[
    "Healthcheck",
    "Health",
    "IPAMConfig",
    "ImageManifestDescriptor",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "SizeRootFs",
    "SizeRw",
    "StopTimeout",
    "UsageData",
];

/// What docker's types say about fields without a value.
pub struct Zeros;

impl Methods for Zeros {
    fn empty(&self, field: &str) -> Option<&'static str> {
        let among = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(field));
        if among(LISTS) {
            Some("[]")
        } else if among(MAPS) {
            Some("map[]")
        } else if among(TEXTS) {
            Some("")
        } else if among(NUMBERS_AND_OBJECTS) {
            Some("<nil>")
        } else {
            None
        }
    }
}
