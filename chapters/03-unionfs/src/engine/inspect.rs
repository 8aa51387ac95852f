//! `inspect`: a container by its record, in Docker's shape, and if it runs as the kernel sees it, too; an
//! image; or a process, as chapter 02 shows it.

use crate::engine::seen::Seen;
use crate::engine::store::Store;
use crate::engine::written::Written;
use crate::engine::{inspect_container, inspect_image, known, records};
use anyhow::Result;
use cgroups::engine::find;
use cgroups::engine::inspect::View;
use console::failure::Failure;
use console::options::Global;
use serde_json::{Value, json};
use std::path::Path;

/// Options of `inspect`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// `json`, or a text with {{.Field}} in it
    #[arg(short, long)]
    format: Option<String>,
    /// Say how much a container has written, and how much it sees
    #[arg(short, long)]
    size: bool,
    /// Of an image and a container with one name, this one
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Kind>,
    /// A container's or an image's name or id, the beginning of an id, or a process as the host numbers it
    #[arg(value_name = "CONTAINER|IMAGE|PID", required = true)]
    targets: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, clap::ValueEnum)]
enum Kind {
    Container,
    Image,
}

/// What somebody may want to see.
enum Object {
    Container(Box<Seen>),
    Image(Value),
    /// Also an earlier chapter's container, by its first one.
    Process(Box<View>),
}

/// Shows what is asked for; returns the exit code.
pub fn show(options: &Options, global: &Global) -> Result<u8> {
    let store = Store::outside(global)?;
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    for target in &options.targets {
        match find(target, options.kind, &store) {
            Ok(Some(object)) => objects.push(object),
            Ok(None) => errors.push(missing(target, options.kind)),
            Err(error) => errors.push(error),
        }
    }
    match options.format.as_deref() {
        None => console::print(unformatted(&objects, options, &store)?)?,
        Some(format) => {
            for object in &objects {
                match object.formatted(format, options, &store) {
                    Ok(text) => console::print(text + "\n")?,
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    Ok(errors.iter().map(|error| console::report(error, 1)).max().unwrap_or(0))
}

/// A list, as Docker prints it; but one that runs as the kernel sees it, as in the chapters before.
fn unformatted(objects: &[Object], options: &Options, store: &Store) -> Result<String> {
    if let ([object], 1) = (objects, options.targets.len())
        && let Some(text) = object.for_people()
    {
        return text;
    }
    let views: Vec<Value> =
        objects.iter().map(|object| object.whole(options, store)).collect::<Result<_>>()?;
    Ok(serde_json::to_string_pretty(&views)? + "\n")
}

fn find(target: &str, kind: Option<Kind>, store: &Store) -> Result<Option<Object>> {
    let container = match kind {
        Some(Kind::Image) => Ok(None),
        _ => find_container(target, &store.root),
    };
    if kind == Some(Kind::Container) || matches!(container, Ok(Some(_))) {
        return container;
    }
    // Also where it begins the ids of several containers.
    if let Some(image) = inspect_image::view(store, target)? {
        return Ok(Some(Object::Image(image)));
    }
    container?;
    // There is no such process: that is said.
    known::number(target).filter(|_| kind.is_none()).map(Object::process).transpose()
}

fn find_container(target: &str, root: &Path) -> Result<Option<Object>> {
    let record = records::find_or_none(root, target);
    let named = record.as_ref().ok().and_then(Option::as_ref);
    let named = named.is_some_and(|record| record.is_called(target));
    // A number is a process before it is the beginning of an id.
    if let Some(pid) = known::number(target).filter(|_| !named)
        && Path::new("/proc").join(target).exists()
    {
        let container = find::optional(target)?.filter(|container| container.name == target);
        return Object::process(container.map_or(pid, |first| first.pid.as_raw())).map(Some);
    }
    if let Some(record) = record? {
        return Ok(Seen::of(root, record)?.map(|seen| Object::Container(Box::new(seen))));
    }
    let earlier = find::optional(target)?.filter(|container| !records::has(root, &container.id));
    earlier.map(|container| Object::process(container.pid.as_raw())).transpose()
}

impl Object {
    fn process(pid: i32) -> Result<Object> {
        Ok(Object::Process(Box::new(View::of(pid)?)))
    }

    fn for_people(&self) -> Option<Result<String>> {
        match self {
            Object::Container(seen) => kernel_view(seen).map(|view| view.show(None)),
            Object::Image(_) => None,
            Object::Process(view) => Some(view.show(None)),
        }
    }

    /// All that there is to say.
    fn whole(&self, options: &Options, store: &Store) -> Result<Value> {
        let seen = match self {
            Object::Container(seen) => seen,
            Object::Image(view) => return Ok(view.clone()),
            Object::Process(view) => return Ok(serde_json::to_value(view)?),
        };
        let view = recorded(seen, options, store)?;
        let kernel = kernel_view(seen).map(serde_json::to_value).transpose()?;
        let both = inspect_container::join(view, kernel.unwrap_or_default());
        Ok(inspect_container::join(both, json!({"Mounts": []})))
    }

    fn formatted(&self, format: &str, options: &Options, store: &Store) -> Result<String> {
        // To ask the kernel takes much longer than to read a record, which is mostly enough.
        if let (Object::Container(seen), true) = (self, format != "json")
            && let Ok(text) = console::format::one(&recorded(seen, options, store)?, format)
        {
            return Ok(text);
        }
        console::format::one(&self.whole(options, store)?, format)
    }
}

/// What its record says.
fn recorded(seen: &Seen, options: &Options, store: &Store) -> Result<Value> {
    let view = inspect_container::view(seen, &store.root);
    if !options.size {
        return Ok(view);
    }
    let written = Written::of(&seen.record, store)?;
    let sizes = json!({"SizeRw": written.own, "SizeRootFs": written.all.unwrap_or(written.own)});
    Ok(inspect_container::join(view, sizes))
}

/// What the kernel shows: nothing of what does not run, or has just ended, or is another account's.
fn kernel_view(seen: &Seen) -> Option<View> {
    View::of(seen.first.pid?.as_raw()).ok()
}

fn missing(target: &str, kind: Option<Kind>) -> anyhow::Error {
    let (object, remedy) = match kind {
        None => {
            ("object", "list containers with `ps -a`, images with `images`, processes with `ns`")
        }
        Some(Kind::Container) => ("container", "`ps -a` lists all"),
        Some(Kind::Image) => ("image", "`images` lists all"),
    };
    Failure::new(format!("Error: No such {object}: {target}")).remedy(remedy).code(1).into()
}
