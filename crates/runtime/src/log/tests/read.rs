//! Reading what was written: from the end, between times, over files that are broken or gone.

use super::*;

#[test]
fn tail_counts_over_files() {
    let folder = TempDir::new().unwrap();
    drop(numbered(folder.path(), &small(4096, 100), 0..500));
    for count in [0, 1, 2, 40, 44, 45, 46, 100, 499, 500, 501, usize::MAX] {
        let lines = texts(&all(
            folder.path(),
            Query {
                tail: Some(count),
                ..Query::default()
            },
        ));
        let first = 500usize.saturating_sub(count);
        assert_eq!(
            lines,
            (first..500)
                .map(|line| format!("{line}\n"))
                .collect::<Vec<_>>(),
            "tail {count}"
        );
    }
}

#[test]
fn tail_reads_only_the_end() {
    let folder = TempDir::new().unwrap();
    drop(numbered(folder.path(), &Config::default(), 0..50_000));
    let place = seek::tail(&Files::new(folder.path()), 3).unwrap().unwrap();
    let length = place.at.file.metadata().unwrap().len();
    assert!(length > 3_000_000);
    assert!(length - place.offset < 300);
}

#[test]
fn since_and_until_cut_exactly() {
    let folder = TempDir::new().unwrap();
    // Large enough to be searched by halves, over several files.
    drop(numbered(folder.path(), &small(400_000, 100), 0..20_000));
    let entries = all(folder.path(), Query::default());
    for at in [0, 1, 4_999, 5_000, 10_001, 19_999] {
        let time = entries[at].time;
        let since = all(
            folder.path(),
            Query {
                since: Some(time),
                ..Query::default()
            },
        );
        let expected: Vec<_> = entries
            .iter()
            .filter(|entry| entry.time >= time)
            .cloned()
            .collect();
        assert_eq!(since, expected);
        let until = all(
            folder.path(),
            Query {
                until: Some(time),
                ..Query::default()
            },
        );
        let expected: Vec<_> = entries
            .iter()
            .filter(|entry| entry.time <= time)
            .cloned()
            .collect();
        assert_eq!(until, expected);
    }
    let never = Some(OffsetDateTime::now_utc() + Duration::from_secs(3600));
    assert_eq!(
        all(
            folder.path(),
            Query {
                since: never,
                ..Query::default()
            }
        ),
        []
    );
    let place = seek::since(&Files::new(folder.path()), entries[19_999].time)
        .unwrap()
        .unwrap();
    assert!(place.at.file.metadata().unwrap().len() - place.offset <= 64 * 1024);
}

#[test]
fn a_line_cut_off_by_a_crash_is_passed_over() {
    let folder = TempDir::new().unwrap();
    drop(numbered(folder.path(), &Config::default(), 0..2));
    let mut file = OpenOptions::new()
        .append(true)
        .open(folder.path().join("json.log"))
        .unwrap();
    file.write_all(b"{\"log\":\"lost").unwrap();
    assert_eq!(texts(&all(folder.path(), Query::default())), ["0\n", "1\n"]);
    assert_eq!(
        texts(&all(
            folder.path(),
            Query {
                tail: Some(1),
                ..Query::default()
            }
        )),
        ["1\n"]
    );
    drop(numbered(folder.path(), &Config::default(), 2..4));
    assert_eq!(
        texts(&all(folder.path(), Query::default())),
        ["0\n", "1\n", "2\n", "3\n"]
    );
}

#[test]
fn what_is_no_log_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let long = [vec![b'x'; 3 << 20], b"\n".to_vec()].concat();
    let good = b"{\"log\":\"good\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\",\"attrs\":{}}\n";
    let text = [b"\0\xff\n\n{}\n".as_slice(), good, &long, good, b"[1]\n"].concat();
    fs::write(folder.path().join("json.log"), text).unwrap();
    assert_eq!(
        texts(&all(folder.path(), Query::default())),
        ["good\n", "good\n"]
    );
    let time = Some(time::macros::datetime!(2026-01-01 0:00 UTC));
    assert_eq!(
        all(
            folder.path(),
            Query {
                since: time,
                ..Query::default()
            }
        )
        .len(),
        2
    );
}

#[test]
fn no_log_is_an_empty_log() {
    let folder = TempDir::new().unwrap();
    assert_eq!(
        all(
            &folder.path().join("none"),
            Query {
                tail: Some(5),
                ..Query::default()
            }
        ),
        []
    );
    let mut writer = Writer::open(
        folder.path(),
        &Config {
            driver: Driver::None,
            ..Config::default()
        },
    )
    .unwrap();
    writer.write(Stream::Stdout, b"gone\n").unwrap();
    writer.end().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_renamed_between_looks_is_found_by_its_number() {
    let folder = TempDir::new().unwrap();
    let mut writer = numbered(folder.path(), &small(4096, 10), 0..60);
    let files = Files::new(folder.path());
    let newest = files.newest().unwrap().unwrap();
    assert!(!files.is_left(&newest).unwrap());
    for line in 60..120 {
        writer
            .write(Stream::Stdout, format!("{line}\n").as_bytes())
            .unwrap();
    }
    assert!(files.is_left(&newest).unwrap());
    assert!(files.rotated(newest.number).exists());
    assert_eq!(
        files.after(&newest).unwrap().unwrap().number,
        newest.number + 1
    );
    // Older files removed by hand: the numbers no longer tell which is which.
    let guessed = files::Numbered {
        number: 1,
        file: newest.file,
    };
    assert_eq!(
        files.after(&guessed).unwrap().unwrap().number,
        newest.number + 1
    );
}
