//! Makes a tar of a path in a container.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{major, minor};
use tar::{EntryType, Header};

use super::error::{ArchiveError, At as _};
use super::node::{Found, Kind, Node};
use super::root::Root;
use super::walk::{Visitor, walk};

const BLOCK: usize = 512;
/// Larger numbers don't fit a classic header's eight octal digits.
const SMALL: u64 = 0o7_777_777;
/// Nor do larger sizes and times its twelve.
const LARGE: u64 = 0o77_777_777_777;
/// Names of so many files with several names are remembered; more of them are packed as files of their own.
const HARD_LINKS: usize = 1 << 20;

/// A path as a client wrote it, read as Docker reads it: from the container's root, `..` taken out by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    path: PathBuf,
    base: String,
    follow: bool,
}

impl Asked {
    /// Takes the client's words.
    pub fn new(text: &str) -> Asked {
        let mut path = PathBuf::from("/");
        for part in Path::new(text).components() {
            match part {
                Component::Normal(name) => path.push(name),
                Component::ParentDir => {
                    path.pop();
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        let dotted = text == "." || text.ends_with("/.");
        let base = match path.file_name() {
            _ if dotted => ".".to_owned(),
            Some(name) => name.to_string_lossy().into_owned(),
            None => "/".to_owned(),
        };
        Asked {
            path,
            base,
            // `link/` and `link/.` mean what the link leads to.
            follow: dotted || text.ends_with('/'),
        }
    }

    /// The path, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that its files get in a tar.
    pub fn base_name(&self) -> String {
        self.base.clone()
    }

    /// Where it is: links are followed up to its last part, or all of it where it ends with `/`.
    pub fn in_root(&self, root: &Root) -> Result<PathBuf, ArchiveError> {
        match (self.path.parent(), self.path.file_name()) {
            (Some(parent), Some(name)) if !self.follow => Ok(root
                .resolve(parent)
                .at("can't follow", &self.path)?
                .join(name)),
            _ => root.resolve(&self.path).at("can't follow", &self.path),
        }
    }
}

/// Writes a tar of what `asked` is, named by its last part.
pub fn pack(root: &Root, asked: &Asked, out: impl Write) -> Result<(), ArchiveError> {
    let at = asked.in_root(root)?;
    let name = at.file_name().unwrap_or(OsStr::new("."));
    let parent = at.parent().unwrap_or(Path::new("/"));
    let folder = root.folder(parent).at("can't open", parent)?;
    let mut packer = Packer::new(out, asked.base_name().into());
    walk(folder.as_fd(), name, &mut packer)?;
    packer.finish()
}

/// Writes a tar of everything in the root, named relative to it (`docker export`).
pub fn pack_all(root: &Root, out: impl Write) -> Result<(), ArchiveError> {
    let folder = root.folder(Path::new("/")).at("can't open", "/")?;
    let mut packer = Packer::new(out, OsString::new());
    walk(folder.as_fd(), OsStr::new("."), &mut packer)?;
    packer.finish()
}

struct Packer<W> {
    out: W,
    base: OsString,
    seen: HashMap<(u64, u64), OsString>,
}

impl<W: Write> Packer<W> {
    fn new(out: W, base: OsString) -> Packer<W> {
        Packer {
            out,
            base,
            seen: HashMap::new(),
        }
    }

    /// `base`, `base/path`; `/path` for the root, `path` where there is no base.
    fn name(&self, path: &Path) -> OsString {
        let mut name = self.base.clone().into_vec();
        let path = path.as_os_str().as_bytes();
        if !name.is_empty() && !name.ends_with(b"/") && !path.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(path);
        OsString::from_vec(name)
    }

    fn finish(mut self) -> Result<(), ArchiveError> {
        let end = [0_u8; 2 * BLOCK];
        self.out
            .write_all(&end)
            .and_then(|()| self.out.flush())
            .at("can't send", "")
    }
}

impl<W: Write> Visitor for Packer<W> {
    fn visit(&mut self, path: &Path, found: &Found) -> Result<(), ArchiveError> {
        let mut name = self.name(path);
        if name.is_empty() {
            return Ok(());
        }
        let mut node = found.node.clone();
        if node.kind == Kind::Folder && !name.as_bytes().ends_with(b"/") {
            name.push("/");
        }
        if found.has_more_names && node.kind != Kind::Folder {
            if let Some(first) = self.seen.get(&found.identity) {
                node.kind = Kind::HardLink(first.into());
            } else if self.seen.len() < HARD_LINKS {
                self.seen.insert(found.identity, name.clone());
            }
        }
        let mut write = || -> io::Result<()> {
            write_header(&mut self.out, &name, &node)?;
            if let (Kind::File(size), Some(fd)) = (&node.kind, &found.fd) {
                write_content(&mut self.out, &mut File::from(fd.try_clone()?), *size)?;
            }
            Ok(())
        };
        write().at("can't pack", path)
    }

    fn leave(&mut self, _path: &Path, _found: &Found) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// Exactly `size` bytes: a file that shrinks meanwhile is filled up, as by GNU tar, since its size is already told.
fn write_content(out: &mut impl Write, file: &mut impl Read, size: u64) -> io::Result<()> {
    let copied = io::copy(&mut file.take(size), out)?;
    let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    io::copy(&mut io::repeat(0).take(size - copied + padding), out)?;
    Ok(())
}

fn write_header(out: &mut impl Write, name: &OsStr, node: &Node) -> io::Result<()> {
    let mut records = Vec::new();
    let mut header = Header::new_ustar();
    put(&mut header.as_old_mut().name, name, "path", &mut records);
    let (kind, size, link, device) = match &node.kind {
        Kind::Folder => (EntryType::Directory, 0, None, None),
        Kind::File(size) => (EntryType::Regular, *size, None, None),
        Kind::Link(target) => (EntryType::Symlink, 0, Some(target), None),
        Kind::HardLink(target) => (EntryType::Link, 0, Some(target), None),
        Kind::Pipe => (EntryType::Fifo, 0, None, None),
        Kind::Character(device) => (EntryType::Char, 0, None, Some(*device)),
        Kind::Block(device) => (EntryType::Block, 0, None, Some(*device)),
    };
    if let Some(link) = link {
        put(
            &mut header.as_old_mut().linkname,
            link.as_os_str(),
            "linkpath",
            &mut records,
        );
    }
    if let Some(device) = device {
        header.set_device_major(major(device))?;
        header.set_device_minor(minor(device))?;
    }
    header.set_entry_type(kind);
    header.set_mode(node.mode);
    header.set_uid(fit(u64::from(node.uid), SMALL, "uid", &mut records));
    header.set_gid(fit(u64::from(node.gid), SMALL, "gid", &mut records));
    header.set_size(fit(size, LARGE, "size", &mut records));
    match u64::try_from(node.mtime.0) {
        Ok(seconds) => header.set_mtime(fit(seconds, LARGE, "mtime", &mut records)),
        Err(_) => {
            record(&mut records, "mtime", node.mtime.0.to_string().as_bytes());
            header.set_mtime(0);
        }
    }
    for (name, value) in &node.xattrs {
        let mut key = b"SCHILY.xattr.".to_vec();
        key.extend_from_slice(name.as_bytes());
        record_bytes(&mut records, &key, value);
    }
    header.set_cksum();
    if !records.is_empty() {
        let mut extension = Header::new_ustar();
        put(
            &mut extension.as_old_mut().name,
            OsStr::new("PaxHeaders.0"),
            "path",
            &mut Vec::new(),
        );
        extension.set_entry_type(EntryType::XHeader);
        extension.set_mode(0o644);
        extension.set_uid(0);
        extension.set_gid(0);
        extension.set_mtime(0);
        extension.set_size(records.len() as u64);
        extension.set_cksum();
        out.write_all(extension.as_bytes())?;
        let size = records.len() as u64;
        write_content(out, &mut records.as_slice(), size)?;
    }
    out.write_all(header.as_bytes())
}

/// Writes a name into its field, and where it doesn't fit, into a record.
fn put(field: &mut [u8], name: &OsStr, key: &str, records: &mut Vec<u8>) {
    let bytes = name.as_bytes();
    let fits = bytes.len().min(field.len());
    field[..fits].copy_from_slice(&bytes[..fits]);
    if fits < bytes.len() {
        record(records, key, bytes);
    }
}

fn fit(number: u64, bound: u64, key: &str, records: &mut Vec<u8>) -> u64 {
    if number <= bound {
        return number;
    }
    record(records, key, number.to_string().as_bytes());
    0
}

fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    record_bytes(records, key.as_bytes(), value);
}

/// `length key=value\n`, where the length counts itself.
fn record_bytes(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}
