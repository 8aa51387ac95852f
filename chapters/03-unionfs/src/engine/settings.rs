//! What a container was asked to be, kept for the next time that it is started: all that a launch
//! needs and its layers do not say.

use crate::container::Record;
use crate::engine::policy::Policy;
use crate::engine::rotation::Rotation;
use anyhow::{Context, Result};
use cgroups::cgroup::ControlGroups;
use cgroups::engine::process_limits::ProcessLimits;
use cgroups::engine::ulimits::Ulimit;
use cgroups::limits::Limits;
use kernel::namespace::Namespace;
use namespaces::config::{Config, Process, Root, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::PathBuf;

/// The kinds of namespace that a container can share with the host.
const SHAREABLE: [Namespace; 4] =
    [Namespace::Uts, Namespace::Pid, Namespace::Ipc, Namespace::Network];

/// Them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Settings {
    /// The name it gives itself; none if it shares the host's.
    pub hostname: Option<String>,
    /// The kinds of namespace that it shares with the host, by their names in /proc/PID/ns.
    pub shared: Vec<String>,
    /// Nothing in the root can be written.
    pub read_only: bool,
    /// It has a small init as PID 1.
    pub init: bool,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input is open.
    pub open_stdin: bool,
    /// It ends with the input of the first who attaches.
    pub stdin_once: bool,
    /// Who it is.
    pub user: User,
    /// What it may use.
    pub limits: Limits,
    /// How much sooner or later than others it is killed when memory is short.
    pub oom_score_adj: Option<i32>,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
    /// Whatever somebody wants to know about it.
    pub labels: BTreeMap<String, String>,
    /// Whether it is started again when it has ended.
    pub restart: Policy,
    /// What asks it to end, instead of SIGTERM.
    pub stop_signal: Option<String>,
    /// Seconds that it has for that, instead of 10.
    pub stop_timeout: Option<i64>,
    /// How much of its output is kept.
    pub log: Rotation,
}

impl Settings {
    /// What of a configuration is kept here.
    pub fn of(config: &Config) -> Settings {
        Settings {
            hostname: config.hostname.clone(),
            shared: config.shared.iter().map(|namespace| namespace.name().into()).collect(),
            read_only: config.read_only,
            init: config.process.init,
            tty: config.process.terminal,
            open_stdin: config.process.interactive,
            user: config.process.user.clone(),
            ..Settings::default()
        }
    }
}

impl Record {
    /// The configuration that it was made with.
    ///
    /// # Errors
    /// If somebody has put a NUL byte into the record.
    pub fn config(&self) -> Result<Config> {
        let text = |text: &String| CString::new(text.as_str()).context("a NUL byte in the record");
        let texts = |texts: &[String]| texts.iter().map(text).collect::<Result<Vec<_>>>();
        let settings = &self.settings;
        let shared = |kind: &Namespace| settings.shared.iter().any(|name| name == kind.name());
        Ok(Config {
            id: self.id.clone(),
            root: Root { path: PathBuf::from(&self.root), directory: None },
            read_only: settings.read_only,
            hostname: settings.hostname.clone(),
            shared: SHAREABLE.into_iter().filter(shared).collect(),
            process: Process {
                arguments: texts(&self.command)?,
                environment: texts(&self.env)?,
                directory: text(&self.working_dir)?,
                user: settings.user.clone(),
                terminal: settings.tty,
                interactive: settings.open_stdin,
                init: settings.init,
            },
        })
    }

    /// The mechanisms of chapter 02, with its limits.
    pub fn limits(&self) -> (ControlGroups, ProcessLimits) {
        let Settings { limits, oom_score_adj, ulimits, .. } = &self.settings;
        let name = Some(self.name.clone()).filter(|name| *name != self.id);
        let mut groups = ControlGroups::new(name, limits.clone());
        // The name is kept in the record.
        groups.is_record = false;
        (groups, ProcessLimits { oom_score_adj: *oom_score_adj, ulimits: ulimits.clone() })
    }
}
