//! Which names an index gives to which manifests. One of them can have several, and then stands
//! there several times; it can have none, and then stands there so that it is not lost.

use crate::engine::image::{Descriptor, Index, NAME};
use crate::engine::reference::Reference;

/// The name of an entry, if it has one that can be asked for.
pub fn of(entry: &Descriptor) -> Option<Reference> {
    let name = Reference::parse(entry.annotations.get(NAME)?).ok()?;
    name.digest.is_none().then_some(name)
}

/// The entry with this name.
pub fn find<'a>(index: &'a Index, name: &Reference) -> Option<&'a Descriptor> {
    let fits = |entry: &Descriptor| match &name.digest {
        None => of(entry).as_ref() == Some(name),
        Some(digest) => {
            entry.digest == *digest && of(entry).is_some_and(|of| of.repository == name.repository)
        }
    };
    index.manifests.iter().find(|entry| fits(entry))
}

/// Enters a manifest under a name; which one had the name before does no longer.
pub fn give(index: &mut Index, manifest: &Descriptor, name: Option<&Reference>) {
    if let Some(name) = name {
        take(index, name);
    }
    let mut entry = manifest.clone();
    entry.annotations.remove(NAME);
    entry.annotations.extend(name.map(|name| (NAME.into(), name.to_string())));
    index.manifests.push(entry);
    tidy(index);
}

/// Takes a name away. The manifest stays, without a name if this was its last.
pub fn take(index: &mut Index, name: &Reference) {
    for entry in &mut index.manifests {
        if of(entry).as_ref() == Some(name) {
            entry.annotations.remove(NAME);
        }
    }
    tidy(index);
}

/// A manifest without a name is entered once, and not at all if it has one elsewhere.
fn tidy(index: &mut Index) {
    let mut kept: Vec<Descriptor> = Vec::new();
    let entries = std::mem::take(&mut index.manifests);
    let (named, nameless): (Vec<Descriptor>, Vec<Descriptor>) =
        entries.into_iter().partition(|entry| entry.annotations.contains_key(NAME));
    for entry in named.into_iter().chain(nameless) {
        let known = kept.iter().any(|other| other.digest == entry.digest);
        if entry.annotations.contains_key(NAME) || !known {
            kept.push(entry);
        }
    }
    index.manifests = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::digest::Digest;
    use crate::engine::image::MANIFEST;

    fn shown(index: &Index) -> Vec<(String, String)> {
        let entry = |entry: &Descriptor| {
            let name = of(entry).map_or("<none>".into(), |name| name.to_string());
            (name, entry.digest.short()[..2].into())
        };
        index.manifests.iter().map(entry).collect()
    }

    #[test]
    fn a_name_leads_to_one_manifest_and_none_is_lost() {
        let name = |text: &str| Reference::parse(text).unwrap();
        let [a, b] = ["a", "b"].map(|text| Descriptor::new(MANIFEST, Digest::of(text), 1));
        let pair = |name: &str, digest: &str| (name.to_owned(), digest.to_owned());
        let mut index = Index::empty();
        give(&mut index, &a, Some(&name("x")));
        give(&mut index, &a, Some(&name("y:1")));
        give(&mut index, &a, None);
        assert_eq!(shown(&index), [pair("x:latest", "ca"), pair("y:1", "ca")]);
        give(&mut index, &b, Some(&name("x")));
        assert_eq!(shown(&index), [pair("y:1", "ca"), pair("x:latest", "3e")]);
        take(&mut index, &name("y:1"));
        assert_eq!(shown(&index), [pair("x:latest", "3e"), pair("<none>", "ca")]);
        assert_eq!(find(&index, &name("x:latest")).unwrap().digest, b.digest);
        let digest = name(&format!("x@{}", b.digest));
        assert_eq!(find(&index, &digest).unwrap().digest, b.digest);
        assert!(find(&index, &name("y:1")).is_none());
        // As skopeo writes it.
        index.manifests[0].annotations.insert(NAME.into(), "x".into());
        assert!(find(&index, &name("x:latest")).is_some());
    }
}
