//! `run`: chapter 02's, on an image, the lab or a directory, none of which it writes to.

use crate::container::{Driver, Held, Record, State};
use crate::engine::base::{Base, Files};
use crate::engine::moment;
use crate::engine::store::Store;
use crate::overlay::Overlay;
use crate::whiteout::Spelling;
use anyhow::Result;
use cgroups::cgroup::ControlGroups;
use cgroups::engine::process_limits::ProcessLimits;
use console::failure::{Failure, OURS};
use console::options::Global;
use kernel::process::Exit;
use namespaces::config::{Config, Root};
use namespaces::engine::run::{new_id, show, to_its_end};
use namespaces::plan::Mechanism;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

/// Options of `run`.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    #[command(flatten)]
    limited: cgroups::engine::run::Options,
    /// How its root is made of layers: overlay shares them, copy copies them
    #[arg(
        long,
        value_name = "DRIVER",
        default_value = "overlay",
        env = "MINIDOCK_STORAGE_DRIVER",
        hide_env_values = true
    )]
    storage_driver: Driver,
}

/// Which mechanisms start a container: main.rs has the list.
pub type Mechanisms = fn(Overlay, ControlGroups, ProcessLimits) -> Vec<Box<dyn Mechanism>>;

/// Runs a container to its end; returns its exit code.
pub fn run(options: Options, global: &Global, mechanisms: Mechanisms) -> Result<u8> {
    let (container, mut groups, process) = options.limited.resolve()?;
    // The name is kept in the record.
    groups.is_record = false;
    // Before the box: in there we are root, and would take root's directory.
    let data = global.data_directory()?;
    container.enter_box(global)?;
    let store = Store::open(data);
    let id = new_id()?;
    kernel::explain::heading(
        "parent",
        "look at the layers",
        "what the container's user is called is written in there",
    );
    // Nobody removes a layer between our finding it and our record of it.
    let (base, found) = Base::find(&store, container.root(), container.plan_only())?;
    let lower = base.lower(&store, container.plan_only())?;
    let root = Root { path: PathBuf::from(container.root()), directory: None };
    let config = {
        // Some layers are open here; the container is not to inherit hundreds of descriptors.
        let files = Files::of(&lower, store.spelling);
        let open = |name: &CStr| files.open(Path::new(&*name.to_string_lossy()));
        container.resolve(id, root, base.defaults(), &open)?
    };
    let record = record(
        &config,
        &base,
        groups.name.clone(),
        (&options.storage_driver, store.spelling),
        container.removes(),
    );
    let own = record.directory(&store.root);
    let overlay = Overlay { record: Some(record.clone()), lower, own };
    let mechanisms = mechanisms(overlay, groups, process);
    if container.plan_only() {
        return show(&config, &mechanisms);
    }
    let held = record.create(&store.root)?;
    drop(found);
    let ended = to_its_end(&config, &mechanisms);
    keep_or_remove(held, &record, &ended)?;
    Ok(ended?.code())
}

/// What a container was made from.
fn record(
    config: &Config,
    base: &Base,
    name: Option<String>,
    (driver, spelling): (&Driver, Spelling),
    auto_remove: bool,
) -> Record {
    let text = |word: &std::ffi::CString| word.to_string_lossy().into_owned();
    Record {
        id: config.id.clone(),
        name: name.unwrap_or_else(|| config.id.clone()),
        created: moment::now(),
        root: base.name.clone(),
        image: base.image.clone(),
        layers: base.layers.clone(),
        directory: base.directory.clone(),
        driver: *driver,
        spelling,
        command: config.process.arguments.iter().map(text).collect(),
        env: config.process.environment.iter().map(text).collect(),
        working_dir: text(&config.process.directory),
        user: format!("{}:{}", config.process.user.uid, config.process.user.gid),
        auto_remove,
    }
}

/// What failed to start has changed nothing that somebody would look for, unless it is the command
/// that was not found: as in Docker, such a container stays.
fn keep_or_remove(held: Held, record: &Record, ended: &Result<Exit>) -> Result<()> {
    let code = match ended {
        Ok(exit) => exit.code(),
        Err(error) => {
            let failure = error.downcast_ref::<Failure>();
            failure.and_then(|failure| failure.code).unwrap_or(OURS)
        }
    };
    if record.auto_remove || code == OURS && ended.is_err() {
        return held.remove(Some(record));
    }
    held.finish(&State { exit_code: code, finished_at: moment::now() })
}
