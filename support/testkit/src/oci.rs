//! Images made by the tests, byte for byte as somebody else's tool might: blobs, manifest, index (image-spec, "Image
//! Layout"). A store that reads such a layout runs them, whoever wrote it.

use std::fs;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
pub use tar::EntryType;
use tar::{Builder, Header};

/// Where the index has an image's name.
const NAME: &str = "org.opencontainers.image.ref.name";

/// One layer's archive: a chain of entries, in the order in which they are unpacked.
pub struct Layer(Builder<Vec<u8>>);

/// What an entry says about itself, but for its name and content.
#[derive(Clone)]
pub struct About<'a> {
    /// Its permissions.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// Seconds since 1970, with or without a fraction.
    pub mtime: &'a str,
    /// Extended attributes.
    pub xattrs: &'a [(&'a str, &'a [u8])],
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

impl Default for About<'_> {
    fn default() -> Self {
        let owner = (0, 0);
        About { mode: 0o644, owner, mtime: "1500000000", xattrs: &[], device: (0, 0) }
    }
}

impl Default for Layer {
    fn default() -> Layer {
        Layer::new()
    }
}

impl Layer {
    /// One without an entry.
    pub fn new() -> Layer {
        Layer(Builder::new(Vec::new()))
    }

    /// Its bytes.
    pub fn archive(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes what is written to it")
    }

    /// Any entry: a name, where it leads if it is a link, what is in it.
    pub fn entry(
        mut self,
        kind: EntryType,
        name: impl AsRef<[u8]>,
        target: &str,
        content: &[u8],
        about: &About,
    ) -> Layer {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(about.mode);
        header.set_uid(about.owner.0);
        header.set_gid(about.owner.1);
        header.set_size(content.len() as u64);
        header.set_mtime(about.mtime.split('.').next().unwrap().parse().unwrap());
        header.set_device_major(about.device.0).unwrap();
        header.set_device_minor(about.device.1).unwrap();
        let mut extensions = Vec::new();
        let mut put = |field: &mut [u8; 100], text: &[u8], key: &str| {
            let length = text.len().min(100);
            field[..length].copy_from_slice(&text[..length]);
            if text.len() > 100 {
                extensions.push((key.to_owned(), text.to_vec()));
            }
        };
        let old = header.as_old_mut();
        put(&mut old.name, name.as_ref(), "path");
        put(&mut old.linkname, target.as_bytes(), "linkpath");
        if about.mtime.contains('.') {
            extensions.push(("mtime".into(), about.mtime.into()));
        }
        for (key, value) in about.xattrs {
            extensions.push((format!("SCHILY.xattr.{key}"), value.to_vec()));
        }
        if !extensions.is_empty() {
            let pairs = extensions.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.0.append_pax_extensions(pairs).unwrap();
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    /// A regular file.
    pub fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Layer {
        self.entry(EntryType::Regular, name, "", content.as_ref(), &About::default())
    }

    /// A directory.
    pub fn directory(self, name: &str) -> Layer {
        let about = About { mode: 0o755, ..About::default() };
        self.entry(EntryType::Directory, format!("{name}/"), "", b"", &about)
    }

    /// A symbolic link.
    pub fn link(self, name: &str, target: &str) -> Layer {
        let about = About { mode: 0o777, ..About::default() };
        self.entry(EntryType::Symlink, name, target, b"", &about)
    }

    /// Another name of a file.
    pub fn hard(self, name: &str, target: &str) -> Layer {
        self.entry(EntryType::Link, name, target, b"", &About::default())
    }

    /// A file that can be executed.
    pub fn program(self, name: &str, content: &[u8]) -> Layer {
        self.entry(
            EntryType::Regular,
            name,
            "",
            content,
            &About { mode: 0o755, ..About::default() },
        )
    }

    /// What a container needs: a program that does nothing but what it is told, and mount points.
    pub fn with_probe(self) -> Layer {
        let layer = self.program("probe", probe::PROGRAM);
        ["proc", "sys", "dev"].into_iter().fold(layer, Layer::directory)
    }
}

/// Puts an image of these layers, the lowest first, under this name into a store, where nothing need be yet: into `images`
/// below its root. Every other layer is compressed. Returns the digests of the blobs, without `sha256:`.
pub fn put(root: &Path, name: &str, layers: Vec<Layer>) -> Vec<String> {
    put_with(root, name, layers, json!({}))
}

/// The same with this to say about the commands in it (image-spec, "Image Configuration", `config`).
pub fn put_with(root: &Path, name: &str, layers: Vec<Layer>, settings: Value) -> Vec<String> {
    let blobs = root.join("images/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |kind: &str, content: &[u8]| -> Value {
        let digest = sha256(content);
        fs::write(blobs.join(&digest), content).unwrap();
        let digest = format!("sha256:{digest}");
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": content.len()})
    };
    let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
    for (number, layer) in layers.into_iter().enumerate() {
        let archive = layer.archive();
        diff_ids.push(format!("sha256:{}", sha256(&archive)));
        if number % 2 == 0 {
            descriptors.push(blob("layer.v1.tar", &archive));
            continue;
        }
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&archive).unwrap();
        descriptors.push(blob("layer.v1.tar+gzip", &gzip.finish().unwrap()));
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": machine, "os": "linux", "config": settings,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": diff_ids.iter().map(|_| json!({"created_by": "a test"})).collect::<Vec<_>>(),
    });
    let config = blob("config.v1+json", config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": descriptors,
    });
    let mut manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({NAME: name});
    fs::write(root.join("images/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = root.join("images/index.json");
    let mut known: Value = match fs::read(&index) {
        Ok(text) => serde_json::from_slice(&text).unwrap(),
        Err(_) => json!({"schemaVersion": 2, "manifests": []}),
    };
    known["manifests"].as_array_mut().unwrap().push(manifest);
    fs::write(index, known.to_string()).unwrap();
    descriptors.iter().map(|blob| blob["digest"].as_str().unwrap()[7..].to_owned()).collect()
}

/// What the layers of an image in a store have in their archives: the names of the entries, the lowest layer first. None if
/// there is no such image, or it cannot be read.
pub fn names(root: &Path, image: &str) -> Option<Vec<Vec<String>>> {
    let read = |blob: &Value| {
        let digest = blob["digest"].as_str()?.strip_prefix("sha256:")?;
        fs::read(root.join("images/blobs/sha256").join(digest)).ok()
    };
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).ok();
    let index = json(fs::read(root.join("images/index.json")).ok()?)?;
    let is_it = |known: &&Value| known["annotations"][NAME] == image;
    let manifest = json(read(index["manifests"].as_array()?.iter().find(is_it)?)?)?;
    manifest["layers"].as_array()?.iter().map(|layer| names_in(&read(layer)?)).collect()
}

fn names_in(blob: &[u8]) -> Option<Vec<String>> {
    let is_gzip = blob.starts_with(&[0x1f, 0x8b]);
    let archive: &mut dyn Read =
        if is_gzip { &mut MultiGzDecoder::new(blob) } else { &mut { blob } };
    let mut archive = tar::Archive::new(archive);
    let name = |entry: std::io::Result<tar::Entry<_>>| {
        let path = entry.ok()?.path().ok()?.into_owned();
        // Without `./` in front and a slash at the end, which not every tool writes.
        let parts = path.components().filter(|part| *part != Component::CurDir);
        Some(parts.collect::<PathBuf>().display().to_string())
    };
    archive.entries().ok()?.map(name).collect()
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch;

    #[test]
    fn an_image_is_read_as_it_was_put() {
        let root = scratch();
        let layers =
            || vec![Layer::new().directory("d").file("d/f", "1"), Layer::new().file(".wh.d", "")];
        put(root.path(), "one", vec![Layer::new()]);
        assert_eq!(put(root.path(), "two", layers()).len(), 2);
        let expected = [&["d", "d/f"][..], &[".wh.d"]]
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(root.path(), "two").unwrap(), expected);
        assert_eq!(names(root.path(), "one").unwrap(), [[""; 0]]);
        assert!(
            names(root.path(), "three").is_none() && names(Path::new("/nowhere"), "one").is_none()
        );
    }
}
