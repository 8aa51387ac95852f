//! A place for containers, of which none runs any more at its end, whether the test passes or panics.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{fresh_root, random_token};

use crate::{ids, minidock};

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        Place(fresh_root())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `create` or `run -d`, and what follows; returns the id.
    #[track_caller]
    pub(crate) fn make(&self, words: &str, script: &str) -> String {
        minidock(self.path(), words).arg("lab").sh(script).run().success().trimmed()
    }

    /// An image of what is in the lab.
    #[track_caller]
    pub(crate) fn image(&self, name: &str) {
        let (container, archive) = (random_token(), self.path().join("archive"));
        self.make(&format!("create --name {container}"), "exit 0");
        minidock(self.path(), "export -o").arg(&archive).arg(&container).run().success();
        minidock(self.path(), "import").arg(&archive).arg(name).run().success();
        minidock(self.path(), "rm").arg(&container).run().success();
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        ids(self.path())
    }

    /// The rows of `ps`, without those of containers that run beside them.
    #[track_caller]
    pub(crate) fn ps(&self, words: &str) -> Vec<Value> {
        let ids = self.ids();
        let listed = minidock(self.path(), "ps --no-trunc --format json").words(words).run();
        let text = listed.success().text();
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter(|row| ids.iter().any(|id| row["ID"] == **id)).collect()
    }

    #[track_caller]
    pub(crate) fn names(&self, words: &str) -> Vec<String> {
        self.ps(words).iter().map(|row| row["Names"].as_str().unwrap().into()).collect()
    }

    #[track_caller]
    pub(crate) fn row(&self, name: &str) -> Value {
        let mut rows = self.ps("-a").into_iter();
        rows.find(|row| row["Names"] == name).unwrap_or_else(|| panic!("no row of {name}"))
    }

    #[track_caller]
    pub(crate) fn inspect(&self, name: &str) -> Value {
        let text = minidock(self.path(), "inspect -f json").arg(name).run().success().text();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = ids(self.path());
        if !left.is_empty() {
            // Of a test that has failed there may be some that cannot be removed.
            let _removed = minidock(self.path(), "rm -f").args(left).run();
        }
    }
}
