//! Blobs: files that are called by their digest. A small one is checked whenever it is read, a big
//! one while it is unpacked, and a new one gets its name when all of it has been seen.

use crate::engine::digest::{Digest, Digesting};
use crate::engine::image::Descriptor;
use anyhow::{Context, Result};
use console::failure::Failure;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// What a manifest or a configuration may have. Registries take no more either.
pub const LARGEST_JSON: u64 = 4 << 20;

/// All blobs of a store.
pub struct Blobs {
    directory: PathBuf,
}

/// A blob that is being written, not yet in its place.
pub struct NewBlob {
    path: PathBuf,
    out: Digesting<BufWriter<File>>,
}

/// The same when it is complete.
#[derive(Debug)]
pub struct Written {
    /// Where it waits for its name.
    pub path: PathBuf,
    /// Its name.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

impl Blobs {
    /// Those in this directory (`blobs/sha256` of an image layout).
    pub fn at(directory: PathBuf) -> Blobs {
        Blobs { directory }
    }

    /// Where a blob is.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Opens a blob. Only its size is checked here.
    ///
    /// # Errors
    /// If it is missing or has another size; it is named.
    pub fn open(&self, blob: &Descriptor) -> Result<File> {
        let path = self.path(&blob.digest);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let words = format!("the blob {} is missing: {}", blob.digest, path.display());
                return Err(anew(words).into());
            }
            file => file.with_context(|| path.display().to_string())?,
        };
        let size = file.metadata()?.len();
        if size != blob.size {
            let Descriptor { digest, size: wanted, .. } = blob;
            let words = format!("the blob {digest} has {size} bytes instead of {wanted}");
            return Err(corrupted(&words).into());
        }
        Ok(file)
    }

    /// Reads a manifest or a configuration.
    ///
    /// # Errors
    /// If it is missing, too big, or not what its name says; it is named.
    pub fn read(&self, blob: &Descriptor) -> Result<Vec<u8>> {
        if blob.size > LARGEST_JSON {
            let words = format!("the blob {} would be JSON of {} bytes", blob.digest, blob.size);
            let remedy = format!("at most {LARGEST_JSON} are read");
            return Err(Failure::new(words).remedy(remedy).into());
        }
        let mut content = Vec::new();
        self.open(blob)?.take(LARGEST_JSON).read_to_end(&mut content)?;
        check(blob, &Digest::of(&content))?;
        Ok(content)
    }

    /// Puts a blob in its place. One that is there already has the same content, or is corrupted.
    pub fn publish(&self, blob: &Written) -> Result<()> {
        let to = self.path(&blob.digest);
        fs::rename(&blob.path, &to)
            .with_context(|| format!("rename {} to {}", blob.path.display(), to.display()))
    }

    /// Removes a blob, if it is there.
    pub fn remove(&self, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| format!("remove {}", path.display())),
        }
    }
}

impl NewBlob {
    /// Begins one.
    pub fn create(path: PathBuf) -> Result<NewBlob> {
        let file = File::create_new(&path);
        let file = file.with_context(|| format!("create {}", path.display()))?;
        Ok(NewBlob { path, out: Digesting::new(BufWriter::new(file)) })
    }

    /// Writes the whole of one.
    pub fn whole(path: PathBuf, content: &[u8]) -> Result<Written> {
        let mut blob = NewBlob::create(path)?;
        blob.out.write_all(content).with_context(|| blob.path.display().to_string())?;
        blob.finish()
    }

    /// Ends it.
    pub fn finish(self) -> Result<Written> {
        let NewBlob { path, out } = self;
        let (digest, size, mut out) = out.finish();
        out.flush().with_context(|| format!("write {}", path.display()))?;
        Ok(Written { path, digest, size })
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Written {
    /// A reference to it.
    pub fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor::new(media_type, self.digest.clone(), self.size)
    }
}

/// Whether a blob is what its name says.
pub fn check(blob: &Descriptor, found: &Digest) -> Result<()> {
    if *found != blob.digest {
        let words = format!("what is called {} has the digest {found}", blob.digest);
        return Err(corrupted(&words).into());
    }
    Ok(())
}

fn corrupted(words: &str) -> Failure {
    anew(format!("{words}: it is corrupted"))
}

fn anew(words: String) -> Failure {
    Failure::new(words).remedy("remove the image with rmi -f, and import it anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::image::CONFIG;

    fn blobs() -> (tempfile::TempDir, Blobs, Descriptor) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(dir.path().join("sha256"));
        fs::create_dir(blobs.directory()).unwrap();
        let written = NewBlob::whole(dir.path().join("new"), b"{}").unwrap();
        blobs.publish(&written).unwrap();
        let descriptor = written.descriptor(CONFIG);
        (dir, blobs, descriptor)
    }

    #[test]
    fn a_blob_is_called_by_its_content() {
        let (_dir, blobs, descriptor) = blobs();
        assert_eq!(descriptor.digest, Digest::of("{}"));
        assert_eq!(blobs.read(&descriptor).unwrap(), b"{}");
        blobs.remove(&descriptor.digest).unwrap();
        blobs.remove(&descriptor.digest).unwrap();
        let error = blobs.read(&descriptor).unwrap_err().to_string();
        assert!(error.contains("is missing"), "{error}");
    }

    #[test]
    fn what_is_not_what_it_is_called_is_refused() {
        let (_dir, blobs, mut descriptor) = blobs();
        fs::write(blobs.path(&descriptor.digest), "[]").unwrap();
        let error = blobs.read(&descriptor).unwrap_err().to_string();
        assert!(error.contains("corrupted"), "{error}");
        fs::write(blobs.path(&descriptor.digest), "{").unwrap();
        assert!(blobs.read(&descriptor).unwrap_err().to_string().contains("1 bytes instead of 2"));
        descriptor.size = u64::MAX;
        assert!(blobs.read(&descriptor).is_err());
    }
}
