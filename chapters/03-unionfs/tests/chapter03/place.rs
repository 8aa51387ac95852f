//! A place for containers, of which none runs any more at its end, whether the test passes or panics.

use std::path::Path;

use tempfile::TempDir;
use testkit::fresh_root;

use crate::{ids, minidock};

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        Place(fresh_root())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
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
