//! Reads a tar of unknown origin: ustar, GNU long names, and pax.
//!
//! Bounds: names and attributes of one entry together at most [`EXTENSION`] bytes; numbers must be numbers; an entry's
//! content is read by the caller through [`Entries::content`] and never held.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use rustix::fs::makedev;
use tar::{EntryType, Header};

use super::error::{ArchiveError, At as _};
use super::node::{Kind, Node, travels};

const BLOCK: usize = 512;
const READ: &str = "can't read the archive";
/// What the extensions of one entry (long names, pax records) may take together, in bytes.
pub const EXTENSION: u64 = 1 << 20;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as it is written.
    pub path: PathBuf,
    /// What it is. Links name their target as it is written.
    pub node: Node,
}

/// The entries of a tar, one after the other.
#[derive(Debug)]
pub struct Entries<R> {
    reader: R,
    /// Content of the current entry that wasn't read, and the padding behind it.
    left: u64,
    padding: u64,
}

/// What extensions said of the entry that follows.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, u32)>,
    xattrs: BTreeMap<OsString, Vec<u8>>,
    bytes: u64,
}

impl<R: Read> Entries<R> {
    /// Reads from `reader`, which isn't compressed.
    pub fn new(reader: R) -> Entries<R> {
        Entries {
            reader,
            left: 0,
            padding: 0,
        }
    }

    /// The content of the entry that [`Entries::next_entry`] gave last.
    pub fn content(&mut self) -> impl Read + '_ {
        Content(self)
    }

    /// The next entry; none at the end. What was left of the last one's content is passed over.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut extensions = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let kind = header.entry_type();
            let size = number(&header.as_old().size, header.entry_size(), "size")?;
            match kind {
                EntryType::XHeader => {
                    let records = self.extension(&mut extensions.bytes, size)?;
                    extensions.pax(&records)?;
                }
                EntryType::GNULongName => {
                    extensions.path =
                        Some(until_zero(self.extension(&mut extensions.bytes, size)?));
                }
                EntryType::GNULongLink => {
                    extensions.link =
                        Some(until_zero(self.extension(&mut extensions.bytes, size)?));
                }
                // Of all entries that follow; nothing we would use.
                EntryType::XGlobalHeader => {
                    self.set_content(size);
                }
                _ => return self.entry(&header, extensions, size).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        extensions: Extensions,
        size: u64,
    ) -> Result<Entry, ArchiveError> {
        let path = extensions
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        if path.is_empty() || path.contains(&0) {
            return Err(invalid("an entry without a usable name"));
        }
        let link = || {
            let link = extensions
                .link
                .clone()
                .or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
            match link {
                Some(link) if !link.is_empty() && !link.contains(&0) => {
                    Ok(PathBuf::from(OsString::from_vec(link)))
                }
                _ => Err(invalid("a link without a target")),
            }
        };
        let device = || {
            let part = |number: io::Result<Option<u32>>| {
                number
                    .ok()
                    .flatten()
                    .ok_or_else(|| invalid("a device without numbers"))
            };
            Ok::<_, ArchiveError>(makedev(
                part(header.device_major())?,
                part(header.device_minor())?,
            ))
        };
        let size = extensions.size.unwrap_or(size);
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                // Old tars have no type for folders, only the slash.
                if path.ends_with(b"/") {
                    Kind::Folder
                } else {
                    Kind::File(size)
                }
            }
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink => Kind::Link(link()?),
            EntryType::Link => Kind::HardLink(link()?),
            EntryType::Fifo => Kind::Pipe,
            EntryType::Char => Kind::Character(device()?),
            EntryType::Block => Kind::Block(device()?),
            other => {
                return Err(invalid(format!(
                    "entries of type {:?} are not supported",
                    char::from(other.as_byte())
                )));
            }
        };
        self.set_content(if matches!(kind, Kind::Folder | Kind::File(_)) {
            size
        } else {
            // POSIX: a link's size says nothing about content.
            0
        });
        let id = |extension: Option<u64>, field: &[u8], header: io::Result<u64>, what| {
            let id = extension.map_or_else(|| number(field, header, what), Ok)?;
            // The kernel takes the highest one for "leave it".
            u32::try_from(id)
                .ok()
                .filter(|id| *id != u32::MAX)
                .ok_or_else(|| invalid(format!("{what} {id} is out of range")))
        };
        let old = header.as_old();
        let node = Node {
            kind,
            mode: number(&old.mode, header.mode(), "mode")? & 0o7777,
            uid: id(extensions.uid, &old.uid, header.uid(), "uid")?,
            gid: id(extensions.gid, &old.gid, header.gid(), "gid")?,
            mtime: match extensions.mtime {
                Some(time) => time,
                None => (
                    i64::try_from(number(&old.mtime, header.mtime(), "mtime")?).unwrap_or(0),
                    0,
                ),
            },
            xattrs: extensions.xattrs,
        };
        Ok(Entry {
            path: PathBuf::from(OsString::from_vec(path)),
            node,
        })
    }

    /// The next header that isn't zero; none at the end, marked or not.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let skip = self.left.saturating_add(self.padding);
        let skipped = io::copy(&mut (&mut self.reader).take(skip), &mut io::sink()).at(READ, "")?;
        if skipped != skip {
            return Err(invalid("it ends in the middle of a file"));
        }
        (self.left, self.padding) = (0, 0);
        let mut block = [0_u8; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(invalid("it ends in the middle of a header")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).at(READ, ""),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The field itself counts as blanks.
        let sum: u32 = (block[..148].iter().chain(&block[156..]))
            .map(|byte| u32::from(*byte))
            .sum::<u32>()
            + 8 * u32::from(b' ');
        if header.cksum().ok() != Some(sum) {
            return Err(invalid("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    fn set_content(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn extension(&mut self, total: &mut u64, size: u64) -> Result<Vec<u8>, ArchiveError> {
        *total = total.saturating_add(size);
        if *total > EXTENSION {
            return Err(invalid(format!(
                "an entry's names and attributes take more than {EXTENSION} bytes"
            )));
        }
        self.set_content(size);
        let mut bytes = Vec::new();
        self.content().read_to_end(&mut bytes).at(READ, "")?;
        if self.left != 0 {
            return Err(invalid("it ends in the middle of a name"));
        }
        Ok(bytes)
    }
}

struct Content<'a, R>(&'a mut Entries<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.0.reader).take(self.0.left).read(buffer)?;
        self.0.left -= read as u64;
        Ok(read)
    }
}

impl Extensions {
    /// Records of `length key=value\n`; the length counts the whole record.
    fn pax(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        let broken = || invalid("a pax record is broken");
        while !bytes.is_empty() {
            let space = bytes
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(broken)?;
            let length: usize = text(&bytes[..space])
                .and_then(|text| text.parse().ok())
                .ok_or_else(broken)?;
            let record = bytes.get(space + 1..length).ok_or_else(broken)?;
            let (end, record) = record.split_last().ok_or_else(broken)?;
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(broken)?;
            if *end != b'\n' {
                return Err(broken());
            }
            self.record(&record[..equals], &record[equals + 1..])
                .ok_or_else(broken)?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let number = || text(value)?.parse().ok();
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(time(text(value)?)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
                    && travels(OsStr::from_bytes(name))
                    && !name.contains(&0)
                {
                    self.xattrs
                        .insert(OsStr::from_bytes(name).to_owned(), value.to_vec());
                }
            }
        }
        Some(())
    }
}

/// Seconds with a fraction, maybe negative: `-1.5` is a second and a half before the epoch.
fn time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if text.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// A header's number, as it is in its field and as it was read; a field left blank is 0, as for Go's reader and GNU tar.
fn number<N: Default>(field: &[u8], read: io::Result<N>, what: &str) -> Result<N, ArchiveError> {
    match read {
        Ok(number) => Ok(number),
        Err(_) if field.iter().all(|byte| matches!(byte, 0 | b' ')) => Ok(N::default()),
        Err(_) => Err(invalid(format!("the {what} is no number"))),
    }
}

fn invalid(why: impl Into<String>) -> ArchiveError {
    ArchiveError::Tar(why.into())
}
