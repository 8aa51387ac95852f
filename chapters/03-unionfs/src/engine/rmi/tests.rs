use super::*;
use crate::engine::{assemble, import};
use clap::Parser;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

#[derive(Parser)]
struct Import {
    #[command(flatten)]
    options: import::Options,
}

struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store"));
        Place { dir, store }
    }

    /// An image of one file; returns its id.
    fn image(&self, content: &str, name: &str) -> String {
        let path = self.dir.path().join("archive");
        let mut archive = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(7);
        // Whose it is, only root may decide.
        header.set_uid(nix::unistd::geteuid().as_raw().into());
        header.set_gid(nix::unistd::getegid().as_raw().into());
        archive.append_data(&mut header, "file", content.as_bytes()).unwrap();
        archive.finish().unwrap();
        let path = path.to_str().unwrap();
        let options = Import::parse_from(["import", path, name]).options;
        import::import(&options, &self.store).unwrap().trim().to_owned()
    }

    fn container(&self, id: &str, image: &str, layers: &[String]) -> PathBuf {
        let path = self.store.root.join("containers").join(id);
        fs::create_dir_all(&path).unwrap();
        let record = json!({
            "Id": id, "Name": id, "Created": "", "Root": "", "Image": image, "Layers": layers,
            "Directory": null, "Driver": "overlay", "Spelling": "trusted", "Command": [], "Env": [], "WorkingDir": "",
            "User": "", "AutoRemove": false,
        });
        fs::write(path.join("config.json"), record.to_string()).unwrap();
        path
    }

    fn remove(&self, text: &str) -> Result<String, String> {
        remove_one(&self.store, text, false).map_err(|error| format!("{error:#}"))
    }

    fn count(&self, what: &str) -> usize {
        fs::read_dir(self.store.root.join(what)).unwrap().count()
    }

    fn layers(&self) -> PathBuf {
        self.store.layers().path().to_owned()
    }
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let place = Place::new();
    let id = place.image("x", "a");
    assert_eq!(place.image("x", "b:v1"), id);
    assert_eq!(place.remove("a").unwrap(), "Untagged: a:latest");
    let chain = place.store.layout().find("b:v1").unwrap().unwrap().chain_ids();
    let said = place.remove(&id[7..20]).unwrap();
    assert_eq!(said, format!("Untagged: b:v1\nDeleted: {id}\nDeleted: {}", chain[0]));
    assert_eq!(
        (place.count("images/blobs/sha256"), fs::read_dir(place.layers()).unwrap().count()),
        (0, 0)
    );
    assert_eq!(place.remove("a").unwrap_err(), "No such image: a:latest");
    assert!(garbage::sweep(&place.store).unwrap().is_empty());
    assert!(fs::read_dir(&place.store.root).unwrap().next().is_none());
}

#[test]
fn what_another_image_has_stays() {
    let place = Place::new();
    place.image("x", "a");
    let layout = place.store.layout();
    let image = layout.find("a").unwrap().unwrap();
    // The same layer in an image of another author.
    let ingest = place.store.ingest().unwrap();
    let mut config = image.config.clone();
    config.author = Some("me".into());
    let blobs = &image.manifest.layers;
    let other = crate::engine::compose::compose(&place.store, &ingest, config, blobs, vec![], None);
    let other = other.unwrap();
    let said = place.remove("a").unwrap();
    assert_eq!(said, format!("Untagged: a:latest\nDeleted: {}", image.id));
    let other = layout.find(&other).unwrap().unwrap();
    assert_eq!(assemble::ensure_layers(&place.store, &other).unwrap(), image.chain_ids());
}

#[test]
fn what_a_container_lies_on_stays_until_it_is_forced_and_its_layer_even_then() {
    let place = Place::new();
    let id = place.image("x", "a");
    place.image("x", "b");
    let image = place.store.layout().find("a").unwrap().unwrap();
    let container = "0123456789abcdef";
    let record = place.container(container, &id, &image.chain_ids());
    place.remove("a").unwrap();
    let short = image.id.short();
    let error = place.remove("b").unwrap_err();
    assert_eq!(
        error,
        format!(
            "conflict: unable to remove repository reference \"b\" (must force) - container \
             0123456789ab is using its referenced image {short}"
        )
    );
    let error = place.remove(&id).unwrap_err();
    assert_eq!(
        error,
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped \
             container 0123456789ab"
        )
    );
    let said = remove_one(&place.store, "b", true).unwrap();
    assert_eq!(said, format!("Untagged: b:latest\nDeleted: {id}"));
    assert!(place.store.layers().has(&image.chain_ids()[0]));
    fs::remove_dir_all(record).unwrap();
    let swept = garbage::sweep(&place.store).unwrap();
    assert_eq!(swept, [format!("removed: layer {}", &image.chain_ids()[0][7..19])]);
}

#[test]
fn a_record_that_cannot_be_read_uses_everything() {
    let place = Place::new();
    let id = place.image("x", "a");
    let record = place.container("0123456789abcdef", &id, &[]).join("config.json");
    fs::write(&record, "{").unwrap();
    let error = place.remove("a").unwrap_err();
    assert!(error.contains("what a container uses is not known"), "{error}");
    let chain = place.store.layout().find("a").unwrap().unwrap().chain_ids();
    assert_eq!(remove_one(&place.store, "a", true).unwrap().lines().count(), 2);
    assert!(place.store.layers().has(&chain[0]));
    assert!(garbage::sweep(&place.store).is_err());
    assert!(place.store.layers().has(&chain[0]));
}

#[test]
fn a_corrupted_image_is_in_nobodys_way_and_can_be_removed() {
    let place = Place::new();
    let (bad, good) = (place.image("bad", "bad"), place.image("good", "good"));
    let layout = place.store.layout();
    fs::write(layout.blobs.path(&Digest::parse(&bad).unwrap()), "{").unwrap();
    let error = place.remove("bad").unwrap_err();
    assert!(error.starts_with("image bad:latest: the blob") && error.contains("corrupted"));
    // The good one goes; its layer stays, as nobody knows which the bad one has.
    let said = place.remove("good").unwrap();
    assert_eq!(said, format!("Untagged: good:latest\nDeleted: {good}"));
    assert_eq!(fs::read_dir(place.layers()).unwrap().count(), 2);
    assert_eq!(remove_one(&place.store, "bad", true).unwrap(), "Untagged: bad:latest");
    assert_eq!(fs::read_dir(place.layers()).unwrap().count(), 0);
    // Its configuration and its layer's blob: what led to them could not be read.
    assert_eq!(garbage::sweep(&place.store).unwrap().len(), 2);
    assert!(fs::read_dir(&place.store.root).unwrap().next().is_none());
}

#[test]
fn a_corrupted_layer_is_named_and_never_unpacked() {
    let place = Place::new();
    place.image("content", "a");
    let layout = place.store.layout();
    let image = layout.find("a").unwrap().unwrap();
    // Unpacked, it is what it was.
    let blob = layout.blobs.path(&image.manifest.layers[0].digest);
    let mut content = fs::read(&blob).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&blob, &content).unwrap();
    assert!(assemble::ensure_layers(&place.store, &image).is_ok());
    fs::remove_dir_all(place.layers()).unwrap();
    let error = format!("{:#}", assemble::ensure_layers(&place.store, &image).unwrap_err());
    let name =
        format!("the layer {} of image a:latest: what is called", image.manifest.layers[0].digest);
    assert!(error.starts_with(&name) && error.contains("corrupted"), "{error}");
    assert_eq!(fs::read_dir(place.layers()).unwrap().count(), 0);
    // The same once more heals it.
    place.image("content", "a");
    assert!(assemble::ensure_layers(&place.store, &image).is_ok());
}
