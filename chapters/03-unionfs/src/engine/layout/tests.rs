use super::*;
use crate::engine::blob::Written;
use crate::engine::image::{CONFIG, INDEX, MANIFEST};
use serde_json::json;

struct Place {
    dir: tempfile::TempDir,
    layout: Layout,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::at(dir.path().join("images"));
        layout.prepare(dir.path()).unwrap();
        Place { dir, layout }
    }

    fn put(&self, json: &serde_json::Value) -> Written {
        let path = self.dir.path().join("blob");
        let written = NewBlob::whole(path, json.to_string().as_bytes()).unwrap();
        self.layout.blobs.publish(&written).unwrap();
        written
    }

    /// An image without layers that says `text`.
    fn manifest(&self, text: &str) -> Descriptor {
        let rootfs = json!({"type": "layers", "diff_ids": []});
        let config = self.put(&json!({"author": text, "rootfs": rootfs})).descriptor(CONFIG);
        let manifest = Manifest::new(config, Vec::new());
        self.put(&serde_json::to_value(manifest).unwrap()).descriptor(MANIFEST)
    }

    fn enter(&self, manifest: &Descriptor, name: Option<&str>) {
        let mut index = self.layout.index().unwrap();
        let name = name.map(|name| Reference::parse(name).unwrap());
        names::give(&mut index, manifest, name.as_ref());
        self.layout.write_index(self.dir.path(), &index).unwrap();
    }

    fn author(&self, text: &str) -> Option<String> {
        self.layout.find(text).unwrap().map(|image| image.config.author.unwrap())
    }
}

#[test]
fn an_image_is_found_by_its_name_its_id_and_the_beginning_of_it() {
    let place = Place::new();
    place.enter(&place.manifest("x"), Some("x:v1"));
    place.enter(&place.manifest("x"), Some("x"));
    place.enter(&place.manifest("y"), None);
    let x = place.layout.find("x:v1").unwrap().unwrap();
    for text in ["x", "x:latest", x.id.hex(), &x.id, x.id.short(), &x.id[..20]] {
        assert_eq!(place.author(text).as_deref(), Some("x"), "{text}");
    }
    for text in ["z", "x:v2", "", "sha256:", "../x", &"0".repeat(64)] {
        assert_eq!(place.author(text), None, "{text}");
    }
    let listing = place.layout.images().unwrap();
    let names = |image: &Image| image.names.iter().map(Reference::to_string).collect::<Vec<_>>();
    let all: Vec<Vec<String>> = listing.images.iter().map(names).collect();
    assert_eq!(all, [vec!["x:latest".to_owned(), "x:v1".into()], vec![]]);
}

#[test]
fn several_ids_that_begin_alike_are_told() {
    let place = Place::new();
    // Sixteen beginnings, and seventeen images.
    for number in 0..17 {
        place.enter(&place.manifest(&number.to_string()), None);
    }
    let digits = "0123456789abcdef".chars().map(String::from);
    let errors = digits.filter_map(|digit| place.layout.find(&digit).err());
    let errors: Vec<String> = errors.map(|error| error.to_string()).collect();
    assert!(errors[0].starts_with("multiple IDs found with provided prefix"), "{errors:?}");
}

#[test]
fn an_image_for_several_machines_is_the_one_for_ours() {
    let place = Place::new();
    let at = |architecture: &str| {
        let mut entry = serde_json::to_value(place.manifest(architecture)).unwrap();
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entry
    };
    let (other, ours) = (at("m68k"), at(architecture()));
    let absent = json!({"mediaType": MANIFEST, "digest": Digest::of("absent"), "size": 3});
    let index = json!({"schemaVersion": 2, "manifests": [other, ours, absent]});
    let index = place.put(&index).descriptor(INDEX);
    place.enter(&index, Some("many"));
    assert_eq!(place.author("many").as_deref(), Some(architecture()));
    // The index, and two manifests with a configuration each.
    assert_eq!(place.layout.blobs_of(&index).unwrap().len(), 5);
    let none = place.put(&json!({"schemaVersion": 2, "manifests": []})).descriptor(INDEX);
    place.enter(&none, Some("none"));
    let error = format!("{:#}", place.layout.find("none").unwrap_err());
    assert!(error.contains("no manifest for linux/"), "{error}");
}

#[test]
fn what_is_broken_is_named_and_in_nobodys_way() {
    let place = Place::new();
    let bad = place.manifest("bad");
    place.enter(&bad, Some("bad"));
    place.enter(&place.manifest("good"), Some("good"));
    fs::write(place.layout.blobs.path(&bad.digest), "{").unwrap();
    let listing = place.layout.images().unwrap();
    assert_eq!(listing.images.len(), 1);
    assert!(format!("{:#}", listing.broken[0]).starts_with("image bad:latest: the blob sha256:"));
    assert_eq!(place.author("good").as_deref(), Some("good"));
    assert!(place.layout.find("bad").is_err() && place.layout.blobs_of(&bad).is_err());
    fs::write(place.layout.path().join("index.json"), "{").unwrap();
    assert!(place.layout.images().unwrap_err().to_string().contains("is no image index"));
}
