//! What an image is, as JSON: an index leads to manifests, a manifest to a configuration and to
//! layers (image-spec). Fields that are not known here are kept as they are.
//!
//! ```text
//!  index.json ──▶ manifest ──▶ config    Cmd, Env, …  diff ids: digests of the layers' archives
//!   names           │                                     ║ one for one
//!                   └────────▶ layers    digests of the blobs: the archives as they travel, in gzip
//! ```

use crate::engine::digest::Digest;
use anyhow::{Context, Result};
use console::failure::Failure;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The media types that we write.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A manifest's.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A configuration's.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer's.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The same as docker called them before there was a specification.
const DOCKERS_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKERS_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The annotation of an index that names an image.
pub const NAME: &str = "org.opencontainers.image.ref.name";

/// What overlay can stack (OVL_MAX_STACK in fs/overlayfs/params.h).
pub const MOST_LAYERS: usize = 500;

/// More than any image has for as many machines.
const MOST_MANIFESTS: usize = 10_000;

/// What to do about an image that is none for us.
pub const ANEW: &str = "whoever made this image has to make it anew; `rmi -f` removes it";

/// A blob is what its name says, and not what it should be.
pub fn is_no(what: &str) -> Failure {
    Failure::new(format!("it is no {what}")).remedy(ANEW)
}

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// What it is called, and what it must contain.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Its name, and more.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// For which machine it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A kind of machine, in Go's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`
    #[serde(default)]
    pub architecture: String,
    /// `linux`
    #[serde(default)]
    pub os: String,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// References to manifests: index.json, and images for several kinds of machines.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// Each with its name, if it has one.
    #[serde(default, deserialize_with = "or_none")]
    pub manifests: Vec<Descriptor>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One image for one kind of machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// MANIFEST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The configuration. Its digest is the image's id.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "or_none")]
    pub layers: Vec<Descriptor>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How to run it, and what it is made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When it was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// For which processors, in Go's words.
    #[serde(default)]
    pub architecture: String,
    /// For which kernel.
    #[serde(default)]
    pub os: String,
    /// How to run it.
    #[serde(default, deserialize_with = "or_none")]
    pub config: Settings,
    /// What it is made of.
    pub rootfs: RootFs,
    /// How it was made, the oldest first.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a container on it starts with, unless it is told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// `NAME[:GROUP]`; root if it is empty.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `80/tcp`
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Value>,
    /// `NAME=value`
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What every command is given to as arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Where data is that outlives containers.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Value>,
    /// Where it starts.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// What people say about it.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What asks it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The layers' contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`
    #[serde(rename = "type")]
    pub kind: String,
    /// The digests of the layers' archives before compression, the lowest first.
    #[serde(default, deserialize_with = "or_none")]
    pub diff_ids: Vec<Digest>,
}

/// A step in which it was made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// By whom.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Why.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// It made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl Descriptor {
    /// A reference to a blob of ours.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
            other: Map::new(),
        }
    }

    /// Whether it leads to manifests, not to one.
    pub fn is_index(&self) -> bool {
        matches!(&*self.media_type, INDEX | DOCKERS_INDEX)
    }

    /// Whether it leads to a manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(&*self.media_type, MANIFEST | DOCKERS_MANIFEST)
    }
}

impl Index {
    /// One that leads nowhere.
    pub fn empty() -> Index {
        let other = Map::from_iter([("mediaType".into(), INDEX.into())]);
        Index { schema_version: 2, manifests: Vec::new(), other }
    }

    /// Reads one.
    pub fn read(json: &[u8]) -> Result<Index> {
        let index: Index = serde_json::from_slice(json)?;
        check("manifests", index.manifests.len(), MOST_MANIFESTS)?;
        Ok(index)
    }

    /// The manifest for this machine: for Linux and its processor.
    pub fn for_this_machine(&self) -> Option<&Descriptor> {
        let fits =
            |platform: &Platform| platform.os == "linux" && platform.architecture == architecture();
        self.manifests.iter().find(|manifest| manifest.platform.as_ref().is_some_and(fits))
    }
}

impl Manifest {
    /// One of ours.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        let media_type = Some(MANIFEST.into());
        Manifest { schema_version: 2, media_type, config, layers, other: Map::new() }
    }

    /// Reads one.
    pub fn read(json: &[u8]) -> Result<Manifest> {
        let manifest: Manifest = serde_json::from_slice(json).with_context(|| is_no("manifest"))?;
        if manifest.schema_version != 2 {
            let failure = Failure::new("a manifest of the first schema, which names no layers");
            return Err(failure.remedy(ANEW).into());
        }
        check("layers", manifest.layers.len(), MOST_LAYERS)?;
        Ok(manifest)
    }
}

impl ImageConfig {
    /// Reads the one that belongs to a manifest.
    pub fn read(json: &[u8], manifest: &Manifest) -> Result<ImageConfig> {
        let config: ImageConfig =
            serde_json::from_slice(json).with_context(|| is_no("configuration of an image"))?;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let words = format!("the manifest has {layers} layers, the configuration {diff_ids}");
            return Err(Failure::new(words).remedy(ANEW).into());
        }
        if let Some(text) = config.config.with_nul() {
            let words = format!("{text:?} has a NUL byte in it, where a program's text ends");
            return Err(Failure::new(words).remedy(ANEW).into());
        }
        Ok(config)
    }
}

impl Settings {
    /// Something for a program that none can be given: execve(2) takes texts up to a NUL byte.
    pub fn with_nul(&self) -> Option<&str> {
        let words = [&self.entrypoint, &self.cmd].into_iter().flatten().flatten();
        let mut texts = words.chain(&self.env).chain([&self.user, &self.working_dir]);
        texts.find(|text| text.contains('\0')).map(String::as_str)
    }
}

impl Default for RootFs {
    fn default() -> RootFs {
        RootFs { kind: "layers".into(), diff_ids: Vec::new() }
    }
}

/// What Go calls this machine's processor.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn check(what: &str, count: usize, most: usize) -> Result<()> {
    if count > most {
        let failure = Failure::new(format!("{count} {what}, where {most} are the most"));
        return Err(failure.remedy(ANEW).into());
    }
    Ok(())
}

/// Go writes `null` where there is nothing.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    value: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(layers: usize) -> Vec<u8> {
        let blob = json!({"digest": Digest::of(""), "size": 0});
        let layers = vec![&blob; layers];
        json!({"schemaVersion": 2, "config": blob, "layers": layers}).to_string().into()
    }

    #[test]
    fn what_go_writes_is_read() {
        let config = json!({
            "architecture": "amd64", "os": "linux", "variant": "v3", "history": null,
            "config": {"Cmd": ["sh"], "Entrypoint": null, "Env": null, "Labels": null,
                       "User": null, "Volumes": null, "OnBuild": ["x"]},
            "rootfs": {"type": "layers", "diff_ids": null},
        });
        let manifest = Manifest::read(&manifest(0)).unwrap();
        let read = ImageConfig::read(config.to_string().as_bytes(), &manifest).unwrap();
        assert_eq!(read.config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(
            (&written["variant"], &written["config"]["OnBuild"]),
            (&json!("v3"), &json!(["x"]))
        );
    }

    #[test]
    fn absurd_numbers_are_refused() {
        assert!(Manifest::read(&manifest(MOST_LAYERS)).is_ok());
        assert!(Manifest::read(&manifest(MOST_LAYERS + 1)).is_err());
        let three = Manifest::read(&manifest(3)).unwrap();
        let config = json!({"rootfs": {"type": "layers", "diff_ids": [Digest::of("")]}});
        assert!(ImageConfig::read(config.to_string().as_bytes(), &three).is_err());
        let negative =
            json!({"schemaVersion": 2, "config": {"digest": Digest::of(""), "size": -1}});
        assert!(Manifest::read(negative.to_string().as_bytes()).is_err());
        assert!(Manifest::read(br#"{"schemaVersion":1,"config":null}"#).is_err());
        assert!(Manifest::read("[".repeat(10_000).as_bytes()).is_err());
    }

    #[test]
    fn the_manifest_for_this_machine_is_found() {
        let at = |architecture: &str| {
            let platform = json!({"architecture": architecture, "os": "linux"});
            json!({"digest": Digest::of(architecture), "size": 1, "platform": platform})
        };
        let index = json!({"schemaVersion": 2, "manifests": [at("m68k"), at(architecture())]});
        let index = Index::read(index.to_string().as_bytes()).unwrap();
        assert_eq!(index.for_this_machine().unwrap().digest, Digest::of(architecture()));
    }
}
