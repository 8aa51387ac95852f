use super::*;
use std::collections::BTreeSet;
use std::fs;

fn layers() -> (tempfile::TempDir, Layers) {
    let root = tempfile::tempdir().unwrap();
    let layers = Layers::open(root.path(), Spelling::Trusted);
    (root, layers)
}

#[test]
fn a_name_is_made_of_all_that_is_below() {
    // From the specification's definition: sha256sum of the two names with a space in between.
    let [a, b] = ["a", "b"].map(|content| Digest::of(content).to_string());
    let chain = chain_ids([a.as_str(), &b]);
    assert_eq!(chain, [a.clone(), Digest::of(format!("{a} {b}")).to_string()]);
    assert_eq!(chain[1], "sha256:51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676");
}

#[test]
fn a_layer_is_there_once_it_is_published_and_until_nobody_uses_it() {
    let (_root, layers) = layers();
    let [kept, unused] = ["kept", "unused"].map(|content| Digest::of(content).to_string());
    for chain in [&kept, &unused] {
        let partial = layers.partial().unwrap();
        assert!(!layers.has(chain));
        layers.publish(partial, chain).unwrap();
        assert!(layers.has(chain));
        // Somebody else had the same.
        layers.publish(layers.partial().unwrap(), chain).unwrap();
    }
    let dead = layers.path().join(".partial-dead");
    fs::create_dir(&dead).unwrap();
    let live = layers.partial().unwrap();
    let removed = layers.remove_unused(&BTreeSet::from([kept.clone()])).unwrap();
    assert_eq!(removed, [dead.display().to_string(), unused.clone()]);
    assert!(layers.has(&kept) && !layers.has(&unused) && live.path().exists());
}

#[test]
fn a_layer_without_its_files_is_named_and_can_be_made_anew() {
    let (_root, layers) = layers();
    let chain = Digest::of("x").to_string();
    layers.publish(layers.partial().unwrap(), &chain).unwrap();
    fs::remove_dir(layers.directory(&chain)).unwrap();
    let error = layers.directories(std::slice::from_ref(&chain)).unwrap_err().to_string();
    assert!(error.contains(&chain), "{error}");
    layers.publish(layers.partial().unwrap(), &chain).unwrap();
    assert_eq!(
        layers.directories(std::slice::from_ref(&chain)).unwrap(),
        [layers.directory(&chain)]
    );
}

#[test]
fn no_record_leads_out_of_the_store() {
    let (_root, layers) = layers();
    assert!(!layers.has("..") && !layers.has("sha256:../.."));
}
