//! How much disk containers and volumes take. Blocks: it walks their folders.

use gantry_runtime::rootfs;

use crate::containers::Record;
use crate::state::Engine;
use crate::volumes;

/// What a container wrote, in bytes; 0 where that can't be read.
pub fn written(engine: &Engine, record: &Record) -> u64 {
    let upper = engine
        .config
        .container_dir(record.id().as_str())
        .join("upper");
    rootfs::size(&upper).map_or(0, |size| size.bytes)
}

/// What a volume takes and by how many containers it is used.
pub fn volume(engine: &Engine, volume: &volumes::Volume) -> (u64, usize) {
    (
        engine.volumes.size(volume),
        volumes::users(&engine.containers, &volume.name).len(),
    )
}
