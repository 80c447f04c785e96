//! One pass over an archive: layers are unpacked as they come, whatever image wants them; the rest is JSON.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::contents::{Contents, LayerFile, clean, malformed};
use super::{docker, oci};
use crate::layer::{Entry, Expected, Intake, Kind, TarReader, Wanted, inflate, take_in};
use crate::store::{Files, Fresh, MAX_CONFIG, ParsedConfig};
use crate::{Digest, ImageError, LayerError, Progress, Reference};

/// An image of an archive, ready to be added.
pub(crate) struct Loadable {
    pub(crate) config: ParsedConfig,
    /// Those of its layers that were unpacked; the others are in the store already.
    pub(crate) fresh: Vec<Arc<Fresh>>,
    pub(crate) tags: Vec<Reference>,
}

/// Reads an archive, plain or compressed. `known` are the digests of layers in the store, compressed or not. Blocking.
pub(crate) fn read(
    input: impl BufRead,
    wanted: &Wanted,
    files: &Files,
    known: &HashSet<Digest>,
    tell: impl Fn(Progress),
) -> Result<Vec<Loadable>, ImageError> {
    let (_, inflated) = inflate(input).map_err(LayerError::Stream)?;
    let inflated = BufReader::with_capacity(256 << 10, wanted.watch(inflated));
    let mut reader = TarReader::new(inflated);
    let mut contents = Contents::default();
    while let Some(entry) = reader.next().map_err(in_archive)? {
        let Some(name) = clean(&entry.path) else {
            return Err(malformed(format!(
                "name {:?} leads out of it",
                crate::layer::printable(&entry.path)
            )));
        };
        match entry.kind {
            Kind::File => take_file(
                &mut contents,
                &mut reader,
                &entry,
                name,
                &Store {
                    files,
                    known,
                    wanted,
                },
                &tell,
            )?,
            Kind::Symlink => {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                if let Some(target) = clean(&[folder.as_bytes(), b"/", &entry.link].concat()) {
                    contents.add_link(name, target)?;
                }
            }
            Kind::HardLink => {
                if let Some(target) = clean(&entry.link) {
                    contents.add_link(name, target)?;
                }
            }
            Kind::Directory => {}
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                return Err(malformed("a device is no part of it"));
            }
        }
    }
    reader.finish().map_err(in_archive)?;
    match (contents.json("manifest.json"), contents.json("index.json")) {
        (Some(manifest), _) => docker::images(&contents, manifest),
        (None, Some(index)) => oci::images(&contents, index),
        (None, None) => Err(malformed("neither manifest.json nor index.json is in it")),
    }
}

fn in_archive(error: LayerError) -> ImageError {
    match error {
        LayerError::NoSpace => error.into(),
        error => malformed(error.to_string()),
    }
}

/// Where layers go.
struct Store<'a> {
    files: &'a Files,
    known: &'a HashSet<Digest>,
    wanted: &'a Wanted,
}

fn take_file<R: BufRead>(
    contents: &mut Contents,
    reader: &mut TarReader<R>,
    entry: &Entry,
    name: String,
    store: &Store<'_>,
    tell: &impl Fn(Progress),
) -> Result<(), ImageError> {
    let first = reader.data().map_err(in_archive)?.first().copied();
    if entry.sparse.is_some() {
        return Err(malformed("a sparse file is no part of it"));
    }
    // Layers are told from manifests and configs by their first byte: the name says nothing in an OCI layout.
    if entry.size <= MAX_CONFIG && matches!(first, Some(b'{' | b'[' | b' ' | b'\n' | b'\t' | b'\r'))
    {
        let mut bytes = Vec::new();
        Data(reader)
            .read_to_end(&mut bytes)
            .map_err(|error| malformed(error.to_string()))?;
        // A layer whose first file is called `[` begins as JSON does; but no JSON has a NUL in it, and every tar has.
        return if bytes.contains(&0) {
            contents.add_layer(name, unpack(&bytes[..], store)?)
        } else {
            contents.add_json(name, bytes)
        };
    }
    let last = name.rsplit('/').next().unwrap_or_default();
    if last == "VERSION" {
        return Ok(());
    }
    let by_name = format!("sha256:{last}").parse::<Digest>().ok();
    if by_name.is_some_and(|digest| store.known.contains(&digest)) {
        return contents.add_layer(name, LayerFile::Known);
    }
    let shown: String =
        by_name.map_or_else(|| name.chars().take(12).collect(), |digest| digest.short());
    tell(Progress::bar(&shown, "Loading layer", 0, entry.size));
    let layer = unpack(Data(reader), store)?;
    tell(Progress::bar(
        &shown,
        "Loading layer",
        entry.size,
        entry.size,
    ));
    contents.add_layer(name, layer)
}

fn unpack(input: impl BufRead, store: &Store<'_>) -> Result<LayerFile, ImageError> {
    let scratch = store.files.scratch()?;
    let intake = Intake {
        blob: &scratch.blob(),
        folder: &scratch.folder(),
        expected: Expected::default(),
        wanted: store.wanted.clone(),
        done: &AtomicU64::new(0),
    };
    match take_in(input, &intake) {
        Ok(taken) => Ok(LayerFile::Fresh(Arc::new(Fresh::new(taken, scratch)))),
        Err(ImageError::Layer(error)) if !matches!(error, LayerError::NoSpace) => {
            Ok(LayerFile::Broken(error))
        }
        Err(error) => Err(error),
    }
}

/// The current entry's data.
struct Data<'a, R>(&'a mut TarReader<R>);

impl<R: BufRead> BufRead for Data<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.data().map_err(|error| match error {
            LayerError::Stream(error) => error,
            error => io::Error::other(error),
        })
    }

    fn consume(&mut self, len: usize) {
        self.0.consume(len);
    }
}

impl<R: BufRead> Read for Data<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        crate::layer::read_buffered(self, into)
    }
}
