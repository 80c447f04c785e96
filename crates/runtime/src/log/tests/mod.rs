//! What the shim writes, and what is read of it.

mod follow;
mod read;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::files::Files;
use super::read::{Progress, Reader};
use super::*;

/// Far more than any of these takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn small(max_size: u64, max_files: u32) -> Config {
    Config {
        driver: Driver::JsonFile,
        max_size,
        max_files,
    }
}

fn all(folder: &Path, query: Query) -> Vec<Entry> {
    let mut reader = Reader::open(Files::new(folder), query).unwrap();
    let mut entries = VecDeque::new();
    while reader.step(&mut entries).unwrap() == Progress::More {}
    entries.into()
}

fn texts(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned())
        .collect()
}

fn numbered(folder: &Path, config: &Config, lines: std::ops::Range<usize>) -> Writer {
    let mut writer = Writer::open(folder, config).unwrap();
    for line in lines {
        writer
            .write(Stream::Stdout, format!("{line}\n").as_bytes())
            .unwrap();
    }
    writer
}

#[test]
fn lines_are_dockers() {
    let folder = TempDir::new().unwrap();
    let mut writer = Writer::open(folder.path(), &Config::default()).unwrap();
    writer
        .write(Stream::Stderr, b"say \"hi\"\\\t\x1b[0m\r\nhalf")
        .unwrap();
    let text = fs::read_to_string(folder.path().join("json.log")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["log"], "say \"hi\"\\\t\x1b[0m\r\n");
    assert_eq!(value["stream"], "stderr");
    assert!(value.get("raw").is_none());
    assert_eq!(text.lines().count(), 1, "an unfinished line waits");
    writer.end().unwrap();
    assert_eq!(
        texts(&all(folder.path(), Query::default())),
        ["say \"hi\"\\\t\x1b[0m\r\n", "half"]
    );
}

#[test]
fn bytes_that_are_no_text_come_back() {
    let folder = TempDir::new().unwrap();
    let mut writer = Writer::open(folder.path(), &Config::default()).unwrap();
    let bytes = [b"caf\xe9 \xff\xfe\0 ".as_slice(), "é".as_bytes(), b"\n"].concat();
    writer.write(Stream::Stdout, &bytes).unwrap();
    let text = fs::read_to_string(folder.path().join("json.log")).unwrap();
    assert!(text.contains("caf\u{fffd} \u{fffd}\u{fffd}"), "{text}");
    assert_eq!(all(folder.path(), Query::default())[0].bytes, bytes);
}

#[test]
fn long_lines_are_split_at_16_kib() {
    let folder = TempDir::new().unwrap();
    let mut writer = Writer::open(folder.path(), &Config::default()).unwrap();
    // In odd portions, as a pipe gives them.
    let line = [vec![b'x'; 2 * LONGEST_PIECE + 5], b"\nnext\n".to_vec()].concat();
    for portion in line.chunks(7001) {
        writer.write(Stream::Stdout, portion).unwrap();
    }
    let lengths: Vec<_> = all(folder.path(), Query::default())
        .iter()
        .map(|entry| entry.bytes.len())
        .collect();
    assert_eq!(lengths, [LONGEST_PIECE, LONGEST_PIECE, 6, 5]);
}

#[test]
fn streams_do_not_mix() {
    let folder = TempDir::new().unwrap();
    let mut writer = Writer::open(folder.path(), &Config::default()).unwrap();
    writer.write(Stream::Stdout, b"out").unwrap();
    writer.write(Stream::Stderr, b"err\n").unwrap();
    writer.write(Stream::Stdout, b"put\n").unwrap();
    let entries = all(folder.path(), Query::default());
    assert_eq!(texts(&entries), ["err\n", "output\n"]);
    assert_eq!(entries[0].stream, Stream::Stderr);
    let only = all(
        folder.path(),
        Query {
            stderr: false,
            ..Query::default()
        },
    );
    assert_eq!(texts(&only), ["output\n"]);
}

#[test]
fn rotation_bounds_the_log() {
    let folder = TempDir::new().unwrap();
    drop(numbered(folder.path(), &small(4096, 3), 0..1000));
    let mut total = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let length = entry.unwrap().metadata().unwrap().len();
        assert!(length <= 4096, "{length}");
        total += length;
    }
    assert!(total > 2 * 4096 && total <= 3 * 4096, "{total}");
    let lines = texts(&all(folder.path(), Query::default()));
    assert_eq!(lines.last().unwrap(), "999\n");
    let first: usize = lines[0].trim().parse().unwrap();
    assert_eq!(lines.len(), 1000 - first, "no gap between the files");
}

#[test]
fn one_file_alone_is_bounded_too() {
    let folder = TempDir::new().unwrap();
    drop(numbered(folder.path(), &small(4096, 1), 0..1000));
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["json.log"]);
    assert_eq!(
        texts(&all(folder.path(), Query::default())).last().unwrap(),
        "999\n"
    );
}

/// As after a rotation that found no room on the disk for the new file.
#[test]
fn a_rotation_that_came_half_way_is_finished_by_the_next() {
    let folder = TempDir::new().unwrap();
    let mut writer = numbered(folder.path(), &small(4096, 3), 0..10);
    let (current, rotated) = (
        folder.path().join("json.log"),
        folder.path().join("json.log.1"),
    );
    fs::rename(&current, &rotated).unwrap();
    for line in 10..100 {
        writer
            .write(Stream::Stdout, format!("{line}\n").as_bytes())
            .unwrap();
    }
    assert!(current.exists());
    assert!(fs::metadata(&rotated).unwrap().len() <= 4096);
    let wanted: Vec<_> = (0..100).map(|line| format!("{line}\n")).collect();
    assert_eq!(texts(&all(folder.path(), Query::default())), wanted);
}

#[test]
fn a_next_writer_goes_on() {
    let folder = TempDir::new().unwrap();
    drop(numbered(folder.path(), &small(4096, 5), 0..100));
    drop(numbered(folder.path(), &small(4096, 5), 100..200));
    let lines = texts(&all(folder.path(), Query::default()));
    assert_eq!(
        lines,
        (0..200).map(|line| format!("{line}\n")).collect::<Vec<_>>()
    );
}

#[test]
fn options_are_dockers() {
    let parse = |driver: &str, options: &[(&str, &str)]| {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Config::parse(driver, &options)
    };
    assert_eq!(parse("", &[]).unwrap(), Config::default());
    assert_eq!(
        parse("json-file", &[("max-size", "10m"), ("max-file", "5")]).unwrap(),
        small(10_000_000, 5)
    );
    assert_eq!(
        parse("json-file", &[("max-size", "-1")]).unwrap().max_size,
        u64::MAX
    );
    assert_eq!(parse("none", &[]).unwrap().driver, Driver::None);
    assert_eq!(
        parse("syslog", &[]).unwrap_err().to_string(),
        "logger: no log driver named 'syslog' is registered"
    );
    for wrong in ["", "m", "10x", "0", "-5", "1", "99999999999t", "10 0m"] {
        assert!(
            parse("json-file", &[("max-size", wrong)]).is_err(),
            "{wrong}"
        );
    }
    assert!(parse("json-file", &[("max-file", "0")]).is_err());
    assert_eq!(
        parse("none", &[("max-size", "10m")])
            .unwrap_err()
            .to_string(),
        "unknown log opt 'max-size' for none log driver"
    );
    assert_eq!(
        Config::parse("json-file", &HashMap::from([("env".into(), "A".into())])),
        Err(ConfigError::Option {
            driver: "json-file",
            option: "env".into()
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_is_read(pieces in prop::collection::vec(
        (any::<bool>(), prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200)), 0..40,
    )) {
        let folder = TempDir::new().unwrap();
        let mut writer = Writer::open(folder.path(), &small(4096, 1000)).unwrap();
        let mut expected: [Vec<u8>; 2] = Default::default();
        for (is_error, bytes) in &pieces {
            expected[usize::from(*is_error)].extend_from_slice(bytes);
            writer.write(if *is_error { Stream::Stderr } else { Stream::Stdout }, bytes).unwrap();
        }
        writer.end().unwrap();
        let mut read: [Vec<u8>; 2] = Default::default();
        for entry in all(folder.path(), Query::default()) {
            read[usize::from(entry.stream == Stream::Stderr)].extend_from_slice(&entry.bytes);
        }
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_line_is_an_entry_or_none(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&line);
    }
}
