//! A container that nobody waits for, and which does not outlive its test.

use std::path::{Path, PathBuf};

use testkit::random_token;

use crate::minidock;

/// It has a random name, and is removed with the value.
pub(crate) struct Background {
    state: PathBuf,
    pub(crate) name: String,
    pub(crate) id: String,
}

impl Background {
    /// `run -d OPTIONS…`, the last of which are a root and a command.
    pub(crate) fn run(state: &Path, options: &str) -> Background {
        Background::made("run -d", state, options)
    }

    /// `create OPTIONS…`.
    pub(crate) fn create(state: &Path, options: &str) -> Background {
        Background::made("create", state, options)
    }

    fn made(command: &str, state: &Path, options: &str) -> Background {
        let name = format!("c{}", random_token());
        let made = minidock(state, command).words("--name").arg(&name).words(options).run();
        let id = made.success().trimmed();
        Background::known(state, name, id)
    }

    /// One that is there already.
    pub(crate) fn known(state: &Path, name: String, id: String) -> Background {
        Background { state: state.into(), name, id }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A test that removes it itself, or has failed, is not made to fail here.
        let _removed = minidock(&self.state, "rm -f").arg(&self.id).run();
    }
}
