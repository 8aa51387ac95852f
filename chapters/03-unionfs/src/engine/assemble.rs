//! From the blobs of an image to layers that a container can lie on. Each is unpacked beside its
//! place while two digests are taken: of the blob as it travels, which is its name, and of the
//! archive in it, which is the layer's. A layer with the wrong one never gets a name.

use crate::engine::blob;
use crate::engine::digest::{Digest, Digesting};
use crate::engine::image::{ANEW, Descriptor};
use crate::engine::layout::Image;
use crate::engine::scratch::Scratch;
use crate::engine::stack::Directory;
use crate::engine::store::Store;
use crate::unpack;
use anyhow::{Context, Result};
use console::failure::Failure;
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use std::path::PathBuf;

/// What to do about a layer that is compressed in another way.
const WITH_GZIP: &str = "whoever made this image has to make it anew, with gzip";

/// How an archive travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    Plain,
    /// gzip(1).
    Gzip,
}

impl Compression {
    /// What the first bytes of a file say.
    ///
    /// # Errors
    /// If they say one that is not known here; `remedy` tells what to do, given the program that
    /// undoes it.
    pub fn of(first: &[u8], remedy: impl Fn(&str) -> String) -> Result<Compression> {
        let program = match first {
            [0x1f, 0x8b, ..] => return Ok(Compression::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
            [b'B', b'Z', b'h', ..] => "bzip2",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
            [0x1f, 0x9d, ..] => "gzip",
            [b'P', b'K', 3, 4, ..] => {
                let failure = Failure::new("a zip archive");
                return Err(failure
                    .remedy("unpack it with unzip(1), and import the directory")
                    .into());
            }
            _ => return Ok(Compression::Plain),
        };
        let failure = Failure::new(format!("compressed with {program}, which is not known here"));
        Err(failure.remedy(remedy(program)).into())
    }
}

/// Sees to it that all layers of an image are there; returns their names, the lowest first. The
/// caller holds the store, so that the image stays.
///
/// # Errors
/// If a layer is missing or not what it is called; it is named.
pub fn ensure_layers(store: &Store, image: &Image) -> Result<Vec<String>> {
    let (layers, chain) = (store.layers(), image.chain_ids());
    if chain.iter().all(|layer| layers.has(layer)) {
        return Ok(chain);
    }
    let _alone = store.lock_unpacking()?;
    let mut made: Vec<(Scratch, &String)> = Vec::new();
    // The uppermost first, as a lookup goes through them.
    let mut below: Vec<PathBuf> = Vec::new();
    let blobs = image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids);
    for (layer, (blob, diff_id)) in chain.iter().zip(blobs) {
        // Somebody may have made it while we waited.
        if layers.has(layer) {
            below.insert(0, layers.directory(layer));
            continue;
        }
        let partial = unpack_blob(store, blob, diff_id, &below)
            .with_context(|| format!("the layer {} of image {}", blob.digest, image.shown()))?;
        below.insert(0, partial.path().join("fs"));
        made.push((partial, layer));
    }
    store.sync()?;
    for (partial, layer) in made {
        layers.publish(partial, layer)?;
    }
    Ok(chain)
}

/// Unpacks a blob of the store on top of the layers below, the uppermost first.
fn unpack_blob(
    store: &Store,
    blob: &Descriptor,
    diff_id: &Digest,
    below: &[PathBuf],
) -> Result<Scratch> {
    let mut file = store.layout().blobs.open(blob)?;
    let mut first = [0; 6];
    let length = file.read(&mut first)?;
    let as_told = compression_of(&blob.media_type)?;
    let found = Compression::of(&first[..length], |_| WITH_GZIP.into())?;
    if found != as_told {
        let Descriptor { media_type, .. } = blob;
        let words = format!("it is called {media_type}, and its content is {found:?}");
        return Err(Failure::new(words).remedy(ANEW).into());
    }
    let mut file = Digesting::new(io::Cursor::new(first).take(length as u64).chain(file));
    let layer = match found {
        Compression::Plain => unpack_archive(store, &mut file, below),
        Compression::Gzip => unpack_archive(store, MultiGzDecoder::new(&mut file), below),
    };
    // If the blob is corrupted, this is why it could not be unpacked: it is what counts.
    io::copy(&mut file, &mut io::sink()).context("read the blob")?;
    blob::check(blob, &file.finish().0)?;
    let Layer { partial, diff_id: found, .. } = layer?;
    if found != *diff_id {
        let words = format!("its content has the digest {found} instead of {diff_id}");
        let failure = Failure::new(format!("{words}: the image is wrong"));
        return Err(failure.remedy(ANEW).into());
    }
    Ok(partial)
}

/// A layer that has no name yet.
pub struct Layer {
    /// Its files.
    pub partial: Scratch,
    /// The digest of the archive that it came in.
    pub diff_id: Digest,
    /// When the last of its files was changed, in seconds since 1970.
    pub newest: Option<i64>,
}

/// Unpacks an archive on top of the directories below, the uppermost first.
pub fn unpack_archive(store: &Store, archive: impl Read, below: &[PathBuf]) -> Result<Layer> {
    let partial = store.layers().partial()?;
    let mut archive = Digesting::new(archive);
    let below = Directory::root(below, store.spelling)?;
    let into = partial.path().join("fs");
    let unpacked = unpack::unpack(&mut archive, &into, &below, store.spelling)?;
    // The end of an archive is not the end of its file, and the digest is of all.
    io::copy(&mut archive, &mut io::sink()).context("read the archive's end")?;
    Ok(Layer { partial, diff_id: archive.finish().0, newest: unpacked.newest })
}

/// What a layer's media type says.
fn compression_of(media_type: &str) -> Result<Compression> {
    match media_type {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar"
        | "application/vnd.docker.image.rootfs.diff.tar" => Ok(Compression::Plain),
        "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Ok(Compression::Gzip),
        other if other.ends_with("zstd") => {
            let failure = Failure::new("compressed with zstd, which is not known here");
            Err(failure.remedy(WITH_GZIP).into())
        }
        other => {
            let failure = Failure::new(format!("{other:?} is no layer's media type"));
            Err(failure.remedy(ANEW).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compression_is_known_by_its_first_bytes() {
        let of = |first: &[u8]| Compression::of(first, |program| format!("{program} -dc"));
        assert_eq!(of(&[0x1f, 0x8b, 8]).unwrap(), Compression::Gzip);
        assert_eq!(of(b"etc/").unwrap(), Compression::Plain);
        assert_eq!(of(b"").unwrap(), Compression::Plain);
        for other in [&b"\xfd7zXZ\0"[..], b"BZh9", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"] {
            assert!(of(other).is_err());
        }
    }

    #[test]
    fn a_media_type_tells_the_compression() {
        assert_eq!(compression_of(crate::engine::image::LAYER).unwrap(), Compression::Gzip);
        assert!(compression_of("application/vnd.oci.image.layer.v1.tar+zstd").is_err());
        assert!(compression_of("text/plain").is_err());
    }
}
