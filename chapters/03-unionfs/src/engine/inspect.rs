//! `inspect`: a container that runs, as chapter 02 shows it; one that does not, by its record; or an image.

use crate::engine::inspect_image;
use crate::engine::records;
use crate::engine::store::Store;
use anyhow::Result;
use cgroups::engine::{find, inspect};
use console::options::Global;
use serde_json::Value;

pub use cgroups::engine::inspect::Options;

/// What is asked for, in a format, or for people.
pub fn show(options: &Options, global: &Global) -> Result<String> {
    let target = options.target();
    if target.parse::<i32>().is_ok() || find::optional(target)?.is_some() {
        return inspect::show(options);
    }
    let store = Store::outside(global)?;
    if let Ok(record) = records::find(&store.root, target) {
        let mut view = serde_json::to_value(&record)?;
        view["State"] = serde_json::to_value(record.state(&store.root)?)?;
        return shown(&view, options.format());
    }
    match inspect_image::view(&store, target)? {
        Some(view) => shown(&view, options.format()),
        // It says that there is no such object.
        None => inspect::show(options),
    }
}

/// One object is a list of one, as in Docker.
fn shown(view: &Value, format: Option<&str>) -> Result<String> {
    match format {
        Some(format) => Ok(console::format::one(view, format)? + "\n"),
        None => Ok(serde_json::to_string_pretty(&[view])? + "\n"),
    }
}
