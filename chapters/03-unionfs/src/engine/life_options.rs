//! Options of `run` and `create` that say how a container lives: in the background or not, how it ends,
//! and whether it is started again.

use crate::engine::policy::Policy;
use crate::engine::rotation::Rotation;
use crate::engine::settings::Settings;
use anyhow::{Context, Result};
use console::failure::{Failure, OURS};
use kernel::signal;
use namespaces::engine::run::{Defaults, c_string};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Them.
#[derive(clap::Args, Debug, Clone)]
#[group(skip)]
pub struct LifeOptions {
    /// Run it in the background, and print its id
    #[arg(short, long)]
    pub detach: bool,
    /// Start it again when it has ended: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no", hide_default_value = true)]
    restart: Policy,
    /// What `stop` sends to PID 1 [default: SIGTERM]
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Seconds that `stop` waits before it kills [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    stop_timeout: Option<i64>,
    /// Put this before the command, instead of what the image says
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Remember something about it
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Write its id into this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Bound the log: max-size=10m, max-file=3
    #[arg(long, value_name = "NAME=VALUE")]
    log_opt: Vec<String>,
}

impl LifeOptions {
    /// What of this a record keeps.
    pub fn settle(&self, settings: &mut Settings, removes: bool) -> Result<()> {
        if removes && self.restart != Policy::No {
            let failure =
                Failure::new("conflicting options: cannot specify both --restart and --rm");
            return Err(failure.remedy("leave out one of them").code(OURS).into());
        }
        if let Some(text) = &self.stop_signal
            && signal::number(text).is_none()
        {
            let failure = Failure::new(format!("invalid signal: {text}"));
            return Err(failure.remedy("`kill -l` lists their names").code(OURS).into());
        }
        for label in &self.label {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            if name.is_empty() {
                let failure = Failure::new(format!("invalid label format: {label:?}"));
                return Err(failure.remedy("write --label NAME=VALUE").code(OURS).into());
            }
            settings.labels.insert(name.into(), value.into());
        }
        settings.restart = self.restart;
        settings.stop_signal = self.stop_signal.clone();
        settings.stop_timeout = self.stop_timeout;
        settings.log = Rotation::parse(&self.log_opt)?;
        Ok(())
    }

    /// What an image says about commands, with another entrypoint: its own command goes with the old one.
    pub fn override_entrypoint(&self, defaults: Defaults) -> Defaults {
        match &self.entrypoint {
            None => defaults,
            Some(text) => {
                let entrypoint = (!text.is_empty()).then(|| c_string(text.as_ref()));
                let entrypoint = entrypoint.into_iter().collect();
                Defaults { entrypoint, command: Vec::new(), ..defaults }
            }
        }
    }

    /// Before anything is made.
    pub fn refuse_used_cidfile(&self) -> Result<()> {
        match self.cidfile.as_ref().filter(|file| file.exists()) {
            None => Ok(()),
            Some(file) => {
                let words = format!(
                    "container ID file found, make sure the other container isn't running or \
                     delete {}",
                    file.display()
                );
                Err(Failure::new(words).remedy("name another file").code(OURS).into())
            }
        }
    }

    /// Once there is a container.
    pub fn write_cidfile(&self, id: &str) -> Result<()> {
        let Some(file) = &self.cidfile else { return Ok(()) };
        let written = File::create_new(file).and_then(|mut file| file.write_all(id.as_bytes()));
        written.with_context(|| file.display().to_string())
    }
}
