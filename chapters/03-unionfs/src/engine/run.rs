//! `run`: chapter 02's, on an image, the lab or a directory, none of which it writes to; and `create`.

use crate::container::{Driver, Held, Record, State};
use crate::engine::any_path::AnyPath;
use crate::engine::attach::AttachOptions;
use crate::engine::base::{Base, Files};
use crate::engine::life_options::LifeOptions;
use crate::engine::settings::Settings;
use crate::engine::store::{Hold, Store};
use crate::engine::{attach, background, descriptors, moment, pleasant_names, words};
use crate::overlay::Overlay;
use crate::shim;
use anyhow::Result;
use cgroups::cgroup::ControlGroups;
use cgroups::engine::process_limits::ProcessLimits;
use console::failure::{Failure, OURS};
use console::options::Global;
use namespaces::config::{Config, Root};
use namespaces::engine::run::{new_id, show, to_its_end};
use namespaces::plan::Mechanism;
use std::ffi::{CStr, CString};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Options of `run` and `create`.
#[derive(clap::Args, Debug)]
#[group(skip)]
// Chapter 01's words know of no images.
#[command(mut_arg("root_and_command", |root| root.help(ROOT)))]
pub struct Options {
    #[command(flatten)]
    limited: cgroups::engine::run::Options,
    #[command(flatten)]
    life: LifeOptions,
    #[command(flatten)]
    attaches: AttachOptions,
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

/// What a root can be.
const ROOT: &str = "An image's name or id, `lab`, or a directory (a path that begins with . or /); then \
                    the command [default: the image's, or /bin/sh]";

/// Which mechanisms start a container: main.rs has the list.
pub type Mechanisms = fn(Overlay, ControlGroups, ProcessLimits) -> Vec<Box<dyn Mechanism>>;

/// Runs a container to its end, or in the background; returns an exit code.
pub fn run(options: Options, global: &Global, mechanisms: Mechanisms) -> Result<u8> {
    let id = new_id()?;
    options.life.refuse_used_cidfile()?;
    let container = options.limited.container();
    let is_attached = !options.life.detach && options.attaches.are_usual();
    if container.plan_only() || container.removes() && is_attached {
        return in_the_foreground(options, global, id, mechanisms);
    }
    if options.life.detach {
        let code = with_a_shim(options, global, id.clone(), mechanisms, None)?;
        if code == 0 {
            console::print(id + "\n")?;
        }
        return Ok(code);
    }
    let command = container.command();
    let attaches = options.attaches.resolve(command.tty, command.interactive)?;
    let (ours, theirs) = UnixStream::pair()?;
    match with_a_shim(options, global, id, mechanisms, Some(theirs))? {
        0 => attach::relay(ours, &attaches),
        code => Ok(code),
    }
}

/// In the background; somebody may be attached to it. No exit code once it runs.
fn with_a_shim(
    options: Options,
    global: &Global,
    id: String,
    mechanisms: Mechanisms,
    attached: Option<UnixStream>,
) -> Result<u8> {
    // Before the lab box: in there we are root, and would take root's directory.
    global.data_directory()?;
    let life = options.life.clone();
    background::start(attached, OURS, |teller| {
        let made = Made::of(options, global, id)?;
        let (record, held) = made.create_for_later(teller.attached.is_some())?;
        let Made { store, found, .. } = made;
        drop(found);
        life.write_cidfile(&record.id)?;
        shim::keep(held, &record, &store, mechanisms, teller)
    })
}

/// Of one that is removed at its end nothing is read later: its command line is all that it needs.
fn in_the_foreground(
    options: Options,
    global: &Global,
    id: String,
    mechanisms: Mechanisms,
) -> Result<u8> {
    let life = options.life.clone();
    let Made { config, record, groups, process, plan_only, store, found, lower, .. } =
        Made::of(options, global, id)?;
    let own = record.directory(&store.root);
    let overlay = Overlay { record: Some(record.clone()), lower, own };
    let mechanisms = mechanisms(overlay, groups, process);
    if plan_only {
        return show(&config, &mechanisms);
    }
    let held = record.create(&store.root)?;
    drop(found);
    life.write_cidfile(&record.id)?;
    let _lab = store.hold_lab(&record);
    let ended = to_its_end(&config, &mechanisms);
    held.remove(Some(&record))?;
    Ok(ended?.code())
}

/// Makes a container that can be started.
pub fn create(options: Options, global: &Global) -> Result<u8> {
    let life = options.life.clone();
    if life.detach {
        let failure = Failure::new("-d: `create` starts nothing");
        return Err(failure.remedy("leave it out, or use `run -d`").code(OURS).into());
    }
    life.refuse_used_cidfile()?;
    let made = Made::of(options, global, new_id()?)?;
    if made.plan_only {
        let failure = Failure::new("--plan: `create` starts nothing");
        return Err(failure.remedy("`run --plan` shows the steps").into());
    }
    let (record, held) = made.create_for_later(true)?;
    if record.auto_remove {
        // Without a state it would be one whose command line was killed before it could remove it.
        held.finish(&State::default())?;
    }
    life.write_cidfile(&record.id)?;
    console::print(format!("{}\n", record.id))?;
    Ok(0)
}

/// All that the options come to, before anything is made.
struct Made {
    config: Config,
    record: Record,
    groups: ControlGroups,
    process: ProcessLimits,
    plan_only: bool,
    store: Store,
    /// Nobody removes a layer between our finding it and our record of it.
    found: Option<Hold>,
    lower: Vec<PathBuf>,
}

impl Made {
    fn of(options: Options, global: &Global, id: String) -> Result<Made> {
        descriptors::all(|| Made::find(options, global, id))
    }

    fn find(options: Options, global: &Global, id: String) -> Result<Made> {
        let (container, mut groups, process) = options.limited.resolve()?;
        // The name is kept in the record.
        groups.is_record = false;
        // Before the box: in there we are root, and would take root's directory.
        let data = global.data_directory()?;
        container.enter_box(global)?;
        let store = Store::open(data);
        kernel::explain::heading(
            "parent",
            "look at the layers",
            "what the container's user is called is written in there",
        );
        let plan_only = container.plan_only();
        let (base, found) = Base::find(&store, container.root(), plan_only)?;
        let lower = base.lower(&store, plan_only)?;
        let root = Root { path: PathBuf::from(container.root()), directory: None };
        let config = {
            // Some layers are open here; the container is not to inherit hundreds of descriptors.
            let files = Files::of(&lower, store.spelling);
            let open = |name: &CStr| files.open(Path::new(&*name.to_string_lossy()));
            let defaults = options.life.override_entrypoint(base.defaults());
            container.resolve(id, root, defaults, &open)?
        };
        let mut settings = Settings {
            limits: groups.limits.clone(),
            oom_score_adj: process.oom_score_adj,
            ulimits: process.ulimits.clone(),
            ..Settings::of(&config)
        };
        options.life.settle(&mut settings, container.removes())?;
        let text = |word: &CString| word.to_string_lossy().into_owned();
        let record = Record {
            id: config.id.clone(),
            name: groups.name.clone().unwrap_or_else(|| config.id.clone()),
            created: moment::now(),
            root: base.name.clone(),
            image: base.image.clone(),
            layers: base.layers.clone(),
            directory: base.directory.clone().map(AnyPath),
            driver: options.storage_driver,
            spelling: store.spelling,
            command: config.process.arguments.iter().map(text).collect(),
            env: config.process.environment.iter().map(text).collect(),
            working_dir: text(&config.process.directory),
            user: format!("{}:{}", config.process.user.uid, config.process.user.gid),
            auto_remove: container.removes(),
            settings,
        };
        Ok(Made { config, record, groups, process, plan_only, store, found, lower })
    }

    /// Makes the container that is to be started from its record.
    ///
    /// # Errors
    /// If the record would not say the same: text in it is UTF-8.
    fn create_for_later(&self, attached: bool) -> Result<(Record, Held)> {
        let process = &self.config.process;
        let words =
            process.arguments.iter().chain(&process.environment).chain([&process.directory]);
        if let Some(word) = words.into_iter().find(|word| word.to_str().is_err()) {
            let failure = Failure::new(format!("{word:?} is not UTF-8, and a record is"));
            return Err(failure
                .remedy("run it with --rm and without -d: such a one is not started again")
                .into());
        }
        let (mut record, root) = (self.record.clone(), &self.store.root);
        record.settings.stdin_once = attached && record.settings.open_stdin;
        let is_nameless = record.name == record.id;
        loop {
            if is_nameless {
                record.name = pleasant_names::new(root)?;
            }
            match record.create(root) {
                // Between the look and the taking, somebody else has found the same one.
                Err(error) if is_nameless && words::is_taken(&error) => {}
                created => return Ok((record, created?)),
            }
        }
    }
}

/// The exit code of a container that could not be started.
pub fn end_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().and_then(|failure| failure.code).unwrap_or(OURS)
}
