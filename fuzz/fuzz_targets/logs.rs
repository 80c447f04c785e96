//! A log folder of any bytes: every way of reading it ends and none panics; and what the writer writes comes back.
#![no_main]

use std::fs;
use std::path::Path;

use gantry_runtime::log::{Config, Driver, Entry, Query, Stream, Writer, parse, read};
use libfuzzer_sys::fuzz_target;
use time::{Duration, OffsetDateTime};
use tokio::runtime::{Builder, Runtime};

fn all(runtime: &Runtime, folder: &Path, query: Query) -> Vec<Entry> {
    runtime.block_on(async {
        let mut entries = read(folder, query, std::future::pending()).await.expect("a log that can be opened");
        let mut found = Vec::new();
        while let Some(entry) = entries.next().await {
            found.push(entry.expect("a log that can be read"));
        }
        found
    })
}

fuzz_target!(|bytes: &[u8]| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (rotated, current) = bytes.split_at(bytes.len() / 3);
    fs::write(folder.path().join("json.log.7"), rotated).expect("a file");
    fs::write(folder.path().join("json.log"), current).expect("a file");
    let entries = all(&runtime, folder.path(), Query::default());
    let some = usize::from(bytes.first().copied().unwrap_or(3));
    let tail = all(&runtime, folder.path(), Query { tail: Some(some), ..Query::default() });
    assert!(tail.len() <= some && entries.ends_with(&tail));
    let middle = entries.get(entries.len() / 2).map_or(OffsetDateTime::UNIX_EPOCH, |entry| entry.time);
    let since = Query { since: Some(middle), until: middle.checked_add(Duration::DAY), ..Query::default() };
    assert!(all(&runtime, folder.path(), since).iter().all(|entry| entry.time >= middle));
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = parse(line);
    }

    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { driver: Driver::JsonFile, max_size: 4096, max_files: 100_000 };
    let mut writer = Writer::open(folder.path(), &config).expect("a log");
    for portion in bytes.chunks(some + 1) {
        writer.write(Stream::Stdout, portion).expect("room");
    }
    writer.end().expect("room");
    let written: Vec<u8> =
        all(&runtime, folder.path(), Query::default()).into_iter().flat_map(|entry| entry.bytes).collect();
    assert!(written == bytes);
});
