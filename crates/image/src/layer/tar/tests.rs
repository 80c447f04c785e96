use super::*;
use crate::LayerError;

/// A header block with a right checksum.
pub(crate) fn block(path: &[u8], flag: u8, size: u64, link: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..path.len()].copy_from_slice(path);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0001750\0");
    block[116..124].copy_from_slice(b"0000144\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"14000000000\0");
    block[156] = flag;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(BLOCK), 0);
    data
}

fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let mut len = rest.len() + 1;
    while len != rest.len() + len.to_string().len() {
        len = rest.len() + len.to_string().len();
    }
    [len.to_string().as_bytes(), &rest].concat()
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let body: Vec<u8> = records.iter().flat_map(|(k, v)| pax_record(k, v)).collect();
    [
        &block(b"PaxHeaders/x", b'x', body.len() as u64, b"")[..],
        &padded(&body),
    ]
    .concat()
}

fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, LayerError> {
    let mut reader = TarReader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next()? {
        let mut data = Vec::new();
        loop {
            let piece = reader.data()?;
            if piece.is_empty() {
                break;
            }
            data.extend_from_slice(piece);
            let len = piece.len();
            reader.consume(len);
        }
        entries.push((entry, data));
    }
    reader.finish()?;
    Ok(entries)
}

#[test]
fn reads_plain_headers() {
    let archive = [
        &block(b"dir/file", b'0', 5, b"")[..],
        &padded(b"hello"),
        &[0; 1024],
    ]
    .concat();
    let entries = read(&archive).expect("archive");
    let (entry, data) = &entries[0];
    assert_eq!(
        (entry.path.as_slice(), data.as_slice()),
        (&b"dir/file"[..], &b"hello"[..])
    );
    assert_eq!(
        (entry.mode, entry.uid, entry.gid, entry.mtime),
        (0o644, 1000, 100, (0o14000000000, 0))
    );
    assert_eq!((entry.kind, entry.size), (Kind::File, 5));
}

#[test]
fn pax_records_win_over_the_header() {
    let archive = [
        &pax(&[
            ("path", "long/ü".as_bytes()),
            ("mtime", b"-1.25"),
            ("uid", b"3000000"),
            ("gid", b"7"),
            ("size", b"3"),
            (
                "SCHILY.xattr.user.a=b",
                b"ignored: the key ends at the first sign",
            ),
            ("SCHILY.xattr.security.capability", b"\x01\0\n\x02"),
        ])[..],
        &block(b"short", b'0', 0, b""),
        &padded(b"abc"),
    ]
    .concat();
    let entries = read(&archive).expect("archive");
    let (entry, data) = &entries[0];
    assert_eq!(entry.path, "long/ü".as_bytes());
    assert_eq!(
        (entry.uid, entry.gid, entry.mtime),
        (3_000_000, 7, (-2, 750_000_000))
    );
    assert_eq!(data, b"abc");
    assert_eq!(
        entry.xattrs[1],
        (b"security.capability".to_vec(), b"\x01\0\n\x02".to_vec())
    );
}

#[test]
fn gnu_long_names_and_big_numbers() {
    let name = "n/".repeat(200) + "end";
    let mut gnu = block(b"cut", b'2', 0, b"t");
    gnu[257..265].copy_from_slice(b"ustar  \0");
    gnu[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0, 0x20, 0, 1]);
    gnu[136..148].copy_from_slice(&[0xff; 12]);
    seal(&mut gnu);
    let long = [name.as_bytes(), b"\0"].concat();
    let archive = [
        &block(b"././@LongLink", b'L', long.len() as u64, b"")[..],
        &padded(&long),
        &block(b"././@LongLink", b'K', long.len() as u64, b""),
        &padded(&long),
        &gnu,
    ]
    .concat();
    let (entry, _) = &read(&archive).expect("archive")[0];
    assert_eq!(
        (entry.path.as_slice(), entry.link.as_slice()),
        (name.as_bytes(), name.as_bytes())
    );
    assert_eq!(
        (entry.kind, entry.uid, entry.mtime),
        (Kind::Symlink, 0x20_0001, (-1, 0))
    );
}

#[test]
fn all_forms_of_sparse_files() {
    let data = b"abcdefgh";
    let want = Some(vec![
        Segment {
            offset: 100,
            len: 5,
        },
        Segment {
            offset: 1000,
            len: 3,
        },
    ]);
    let mut old = block(b"s", b'S', 8, b"");
    old[257..265].copy_from_slice(b"ustar  \0");
    for (at, number) in [(386, 100), (398, 5), (410, 1000), (422, 3), (483, 2000)] {
        old[at..at + 12].copy_from_slice(format!("{number:011o}\0").as_bytes());
    }
    seal(&mut old);
    let old = [&old[..], &padded(data)].concat();
    let v00 = [
        &pax(&[
            ("GNU.sparse.size", b"2000"),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.offset", b"100"),
            ("GNU.sparse.numbytes", b"5"),
            ("GNU.sparse.offset", b"1000"),
            ("GNU.sparse.numbytes", b"3"),
        ])[..],
        &block(b"s", b'0', 8, b""),
        &padded(data),
    ]
    .concat();
    let v01 = [
        &pax(&[
            ("GNU.sparse.size", b"2000"),
            ("GNU.sparse.map", b"100,5,1000,3"),
            ("GNU.sparse.name", b"s"),
        ])[..],
        &block(b"GNUSparseFile.0/s", b'0', 8, b""),
        &padded(data),
    ]
    .concat();
    let map = padded(b"2\n100\n5\n1000\n3\n");
    let v10 = [
        &pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.realsize", b"2000"),
        ])[..],
        &block(b"GNUSparseFile.0/s", b'0', (map.len() + 8) as u64, b""),
        &map,
        &padded(data),
    ]
    .concat();
    for (form, archive) in [("old", old), ("0.0", v00), ("0.1", v01), ("1.0", v10)] {
        let entries = read(&archive).expect(form);
        let (entry, got) = &entries[0];
        assert_eq!(
            (&entry.path[..], entry.size, &entry.sparse),
            (&b"s"[..], 2000, &want),
            "{form}"
        );
        assert_eq!(got, data, "{form}");
    }
}

#[test]
fn refuses_what_is_broken() {
    let good = [&block(b"f", b'0', 5, b"")[..], &padded(b"hello")].concat();
    let mut bad_sum = good.clone();
    bad_sum[0] = b'g';
    let mut bad_size = block(b"f", b'0', 0, b"");
    bad_size[124..136].copy_from_slice(&[
        0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    seal(&mut bad_size);
    let huge_name = block(b"././@LongLink", b'L', 1 << 32, b"");
    let huge_pax = block(b"x", b'x', 1 << 32, b"");
    let overlap = [
        &pax(&[("GNU.sparse.size", b"20"), ("GNU.sparse.map", b"5,5,0,3")])[..],
        &block(b"s", b'0', 8, b""),
        &padded(b"abcdefgh"),
    ]
    .concat();
    let beyond = [
        &pax(&[("GNU.sparse.size", b"4"), ("GNU.sparse.map", b"0,8")])[..],
        &block(b"s", b'0', 8, b""),
        &padded(b"abcdefgh"),
    ]
    .concat();
    let nul = [&pax(&[("path", b"a\0b")])[..], &block(b"s", b'0', 0, b"")].concat();
    for (what, archive) in [
        ("truncated data", &good[..600]),
        ("truncated header", &good[..100]),
        ("checksum", &bad_sum),
        ("size", &bad_size),
        ("long name", &huge_name),
        ("long records", &huge_pax),
        ("unknown type", &block(b"f", b'Z', 0, b"")),
        ("pieces that overlap", &overlap),
        ("pieces beyond the end", &beyond),
        ("NUL", &nul),
        ("text", &[b'x'; 1024]),
    ] {
        assert!(read(archive).is_err(), "{what}");
    }
}

#[test]
fn an_empty_stream_is_an_empty_archive() {
    assert!(read(b"").expect("empty").is_empty());
    assert!(read(&[0; 1024]).expect("end only").is_empty());
    assert!(
        read(&[&[0; 1024][..], b"what follows is not looked at"].concat())
            .expect("rest")
            .is_empty()
    );
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2048), flag in proptest::num::u8::ANY) {
        let _ = read(&bytes);
        let _ = read(&[&block(b"x", flag, bytes.len() as u64, b"y")[..], &padded(&bytes)].concat());
    }
}
