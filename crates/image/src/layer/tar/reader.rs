//! From a stream to entries.

use std::io::{self, BufRead};

use super::header::{BLOCK, Header};
use super::pax::{self, Pax};
use super::{Entry, Kind, MAX_EXTENDED, MAX_PATH, sparse};
use crate::LayerError;

/// Reads entries one after another. What of an entry's data isn't read is skipped by the next call.
pub(crate) struct TarReader<R> {
    input: R,
    /// Data of the current entry that is still to come.
    data: u64,
    /// Zeros after it, up to the next block.
    padding: u64,
}

impl<R: BufRead> TarReader<R> {
    pub(crate) fn new(input: R) -> TarReader<R> {
        TarReader {
            input,
            data: 0,
            padding: 0,
        }
    }

    /// The next entry, or none at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, LayerError> {
        let mut long_path: Option<Vec<u8>> = None;
        let mut long_link: Option<Vec<u8>> = None;
        let mut pax = Pax::default();
        loop {
            self.skip_entry()?;
            let mut block = [0; BLOCK];
            if !self.read_header(&mut block)? {
                return Ok(None);
            }
            let header = Header::check(&block)?;
            let size = header.size()?;
            match header.flag() {
                b'L' => long_path = Some(self.long_name(size)?),
                b'K' => long_link = Some(self.long_name(size)?),
                b'x' => {
                    pax = pax::parse(&self.extended(size, MAX_EXTENDED, "an extended header")?)?
                }
                // Docker and Go ignore global records, too.
                b'g' => self.start_data(size)?,
                _ => {
                    return self
                        .entry(&header, size, long_path, long_link, pax)
                        .map(Some);
                }
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        size: u64,
        long_path: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        mut pax: Pax,
    ) -> Result<Entry, LayerError> {
        let path = pax
            .path
            .take()
            .or(long_path)
            .unwrap_or_else(|| header.path());
        let kind = header.kind(&path)?;
        let id = |id: i64| {
            // The last one means "leave it" to the kernel.
            u32::try_from(id)
                .ok()
                .filter(|id| *id != u32::MAX)
                .ok_or(LayerError::TooMuch {
                    what: "an owner",
                    limit: u64::from(u32::MAX) - 1,
                })
        };
        let mut entry = Entry {
            kind,
            path,
            link: pax
                .link
                .take()
                .or(long_link)
                .unwrap_or_else(|| header.link()),
            mode: header.mode()?,
            uid: id(match pax.uid {
                Some(uid) => uid,
                None => header.uid()?,
            })?,
            gid: id(match pax.gid {
                Some(gid) => gid,
                None => header.gid()?,
            })?,
            mtime: match pax.mtime {
                Some(mtime) => mtime,
                None => (header.mtime()?, 0),
            },
            device: (0, 0),
            size: 0,
            xattrs: std::mem::take(&mut pax.xattrs),
            sparse: None,
        };
        match kind {
            Kind::File => self.file_data(header, pax.size.unwrap_or(size), &pax, &mut entry)?,
            Kind::CharDevice | Kind::BlockDevice => entry.device = header.device()?,
            Kind::HardLink | Kind::Symlink | Kind::Directory | Kind::Fifo => {}
        }
        Ok(entry)
    }

    fn file_data(
        &mut self,
        header: &Header<'_>,
        size: u64,
        pax: &Pax,
        entry: &mut Entry,
    ) -> Result<(), LayerError> {
        entry.size = size;
        let real_size = if header.flag() == b'S' {
            let (pieces, more, real) = header
                .gnu_sparse()
                .ok_or(LayerError::Malformed("broken sparse map"))?;
            entry.sparse = Some(sparse::read_gnu(self, pieces, more)?);
            self.start_data(size)?;
            Some(real)
        } else {
            self.start_data(size)?;
            entry.sparse = sparse::read_pax(self, &pax.sparse)?;
            pax.sparse.real_size
        };
        if let Some(segments) = &entry.sparse {
            entry.size = real_size.ok_or(LayerError::Malformed("sparse file without a size"))?;
            sparse::check(segments, entry.size, self.data)?;
            if let Some(name) = &pax.sparse.name {
                entry.path.clone_from(name);
            }
        }
        Ok(())
    }

    /// The next piece of the current entry's data; empty at its end.
    pub(crate) fn data(&mut self) -> Result<&[u8], LayerError> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let buffer = fill(&mut self.input)?;
        if buffer.is_empty() {
            return Err(truncated());
        }
        let len = buffer
            .len()
            .min(usize::try_from(self.data).unwrap_or(usize::MAX));
        Ok(&buffer[..len])
    }

    /// Marks `len` bytes of what [`TarReader::data`] gave as done.
    pub(crate) fn consume(&mut self, len: usize) {
        self.input.consume(len);
        self.data = self.data.saturating_sub(len as u64);
    }

    /// Reads to the end of the stream: what follows the archive is part of its digest.
    pub(crate) fn finish(mut self) -> Result<R, LayerError> {
        loop {
            let len = fill(&mut self.input)?.len();
            if len == 0 {
                return Ok(self.input);
            }
            self.input.consume(len);
        }
    }

    pub(super) fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), LayerError> {
        match self.read_up_to(block)? {
            BLOCK => Ok(()),
            _ => Err(truncated()),
        }
    }

    /// A block of the current entry's data.
    pub(super) fn read_data_block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), LayerError> {
        self.data = self
            .data
            .checked_sub(BLOCK as u64)
            .ok_or(LayerError::Malformed("sparse map longer than its entry"))?;
        self.read_block(block)
    }

    /// False at the end: two blocks of zeros, or the stream's end between entries.
    fn read_header(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, LayerError> {
        match self.read_up_to(block)? {
            0 => return Ok(false),
            BLOCK => {}
            _ => return Err(truncated()),
        }
        if block.iter().any(|b| *b != 0) {
            return Ok(true);
        }
        match self.read_up_to(block)? {
            0 => Ok(false),
            BLOCK if block.iter().all(|b| *b == 0) => Ok(false),
            BLOCK => Err(LayerError::Malformed("an empty block between entries")),
            _ => Err(truncated()),
        }
    }

    fn read_up_to(&mut self, block: &mut [u8; BLOCK]) -> Result<usize, LayerError> {
        let mut done = 0;
        while done < BLOCK {
            let buffer = fill(&mut self.input)?;
            if buffer.is_empty() {
                break;
            }
            let len = buffer.len().min(BLOCK - done);
            block[done..done + len].copy_from_slice(&buffer[..len]);
            self.input.consume(len);
            done += len;
        }
        Ok(done)
    }

    fn start_data(&mut self, size: u64) -> Result<(), LayerError> {
        // So large that the end can't be told is larger than any stream.
        if size > i64::MAX as u64 - BLOCK as u64 {
            return Err(LayerError::Malformed("size is no number"));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn skip_entry(&mut self) -> Result<(), LayerError> {
        let mut left = self.data + self.padding;
        while left > 0 {
            let len = fill(&mut self.input)?.len();
            if len == 0 {
                return Err(truncated());
            }
            let len = len.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.input.consume(len);
            left -= len as u64;
        }
        (self.data, self.padding) = (0, 0);
        Ok(())
    }

    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        // With the NUL that ends it.
        let mut name = self.extended(size, MAX_PATH + 1, "length of a name")?;
        if let Some(end) = name.iter().position(|b| *b == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    fn extended(
        &mut self,
        size: u64,
        limit: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, LayerError> {
        if size > limit {
            return Err(LayerError::TooMuch { what, limit });
        }
        self.start_data(size)?;
        let mut bytes = Vec::new();
        loop {
            let piece = self.data()?;
            if piece.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(piece);
            let len = piece.len();
            self.consume(len);
        }
    }
}

fn fill<R: BufRead>(input: &mut R) -> Result<&[u8], LayerError> {
    // Two calls, since a borrow that is returned early would live on through the loop.
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LayerError::Stream(error)),
        }
    }
    input.fill_buf().map_err(LayerError::Stream)
}

fn truncated() -> LayerError {
    LayerError::Stream(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "unexpected EOF",
    ))
}
