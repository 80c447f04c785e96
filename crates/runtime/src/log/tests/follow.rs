//! Following a log that grows.

use super::*;

async fn next(entries: &mut Entries) -> Option<String> {
    let entry = timeout(PATIENCE, entries.next())
        .await
        .expect("the log's next entry is late");
    entry.map(|entry| String::from_utf8(entry.unwrap().bytes).unwrap())
}

fn follow() -> Query {
    Query {
        follow: true,
        ..Query::default()
    }
}

#[tokio::test]
async fn following_sees_every_line_over_rotations_and_ends() {
    let folder = TempDir::new().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let mut entries = read(&folder.path().join("log"), follow(), async {
        drop(ended.await)
    })
    .await
    .unwrap();
    let path = folder.path().join("log");
    let writing = std::thread::spawn(move || {
        // No file is lost while it is being followed: more files than are written.
        let mut writer = numbered(&path, &small(4096, 1000), 0..3000);
        writer.write(Stream::Stdout, b"unfinished").unwrap();
        writer.end().unwrap();
        end.send(()).unwrap();
    });
    for line in 0..3000 {
        assert_eq!(next(&mut entries).await.unwrap(), format!("{line}\n"));
    }
    assert_eq!(next(&mut entries).await.unwrap(), "unfinished");
    assert_eq!(next(&mut entries).await, None);
    writing.join().unwrap();
}

#[tokio::test]
async fn following_from_the_tail_goes_on_with_what_comes() {
    let folder = TempDir::new().unwrap();
    let mut writer = numbered(folder.path(), &Config::default(), 0..10);
    let query = Query {
        tail: Some(1),
        ..follow()
    };
    let mut entries = read(folder.path(), query, std::future::pending())
        .await
        .unwrap();
    assert_eq!(next(&mut entries).await.unwrap(), "9\n");
    writer.write(Stream::Stdout, b"a\nb\n").unwrap();
    assert_eq!(next(&mut entries).await.unwrap(), "a\n");
    assert_eq!(next(&mut entries).await.unwrap(), "b\n");
}

#[tokio::test]
async fn a_cancelled_wait_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let mut writer = numbered(folder.path(), &Config::default(), 0..0);
    let mut entries = read(folder.path(), follow(), std::future::pending())
        .await
        .unwrap();
    for line in 0..200 {
        // Cancelled at whatever place it has reached.
        let _ = timeout(Duration::from_micros(line * 7), entries.next())
            .await
            .map(|_| panic!("nothing was written"));
    }
    for line in 0..200 {
        writer
            .write(Stream::Stdout, format!("{line}\n").as_bytes())
            .unwrap();
        let got = loop {
            if let Ok(entry) = timeout(Duration::from_micros(line * 7), entries.next()).await {
                break entry.unwrap().unwrap();
            }
        };
        assert_eq!(got.bytes, format!("{line}\n").into_bytes());
    }
}

#[tokio::test]
async fn following_brings_no_removed_container_back() {
    let folder = TempDir::new().unwrap();
    let removed = folder.path().join("container");
    let mut entries = read(&removed.join("log"), follow(), async {})
        .await
        .unwrap();
    assert_eq!(next(&mut entries).await, None);
    assert!(!removed.exists());
}

#[tokio::test]
async fn following_ends_at_the_time_asked_for() {
    let folder = TempDir::new().unwrap();
    let _writer = numbered(folder.path(), &Config::default(), 0..1);
    let until = Some(OffsetDateTime::now_utc() + Duration::from_millis(200));
    let mut entries = read(
        folder.path(),
        Query { until, ..follow() },
        std::future::pending(),
    )
    .await
    .unwrap();
    assert_eq!(next(&mut entries).await.unwrap(), "0\n");
    assert_eq!(next(&mut entries).await, None);
}

#[tokio::test]
async fn dropping_frees_the_watch_at_once() {
    let folder = TempDir::new().unwrap();
    // By the watched folder: other tests of this process have watches of their own.
    let inode = format!("ino:{:x} ", fs::metadata(folder.path()).unwrap().ino());
    let watches = || {
        let files = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
        files
            .filter(|file| fs::read_to_string(file.path()).is_ok_and(|text| text.contains(&inode)))
            .count()
    };
    assert_eq!(watches(), 0);
    let mut entries = read(folder.path(), follow(), std::future::pending())
        .await
        .unwrap();
    assert!(
        timeout(Duration::from_millis(50), entries.next())
            .await
            .is_err()
    );
    assert_eq!(watches(), 1);
    drop(entries);
    assert_eq!(watches(), 0);
}
