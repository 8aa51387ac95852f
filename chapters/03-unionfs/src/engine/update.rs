//! `update`: chapter 02's, which the record keeps for the next start; and another restart policy.

use crate::container::Record;
use crate::engine::known::ByRecord;
use crate::engine::live::{self, Status};
use crate::engine::policy::Policy;
use crate::engine::records;
use anyhow::Result;
use cgroups::engine::find::Finder;
use cgroups::engine::update;
use cgroups::limits::Limits;
use console::failure::Failure;

/// Options of `update`.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    #[command(flatten)]
    limited: update::Options,
    /// Start it again when it has ended: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<Policy>,
}

/// Changes containers and names them; returns the exit code.
pub fn update(options: &Options, known: &ByRecord) -> Result<u8> {
    let limits = options.limited.limits()?;
    if limits == Limits::default() && options.restart.is_none() {
        return Err(update::nothing_asked());
    }
    console::each(options.limited.containers(), |text| {
        match records::find_or_none(&known.root, text)? {
            Some(record) => change(&record, text, &limits, options.restart, known)?,
            None if options.restart.is_some() => {
                // An earlier chapter's lives as long as its command line.
                let named = known.container(text)?.name;
                let failure = Failure::new(format!("container {named} has no record"));
                return Err(failure.remedy("leave out --restart").code(1).into());
            }
            None => {
                update::change(text, &mut known.container(text)?.group, &limits)?;
            }
        }
        Ok(text.clone())
    })
}

fn change(
    record: &Record,
    text: &str,
    asked: &Limits,
    restart: Option<Policy>,
    known: &ByRecord,
) -> Result<()> {
    let root = &known.root;
    if record.auto_remove && restart.is_some_and(|policy| policy != Policy::No) {
        let words = "Restart policy cannot be updated because AutoRemove is enabled for the \
                     container";
        let failure = Failure::new(words).remedy("make a new one without --rm").code(1);
        return Err(failure.into());
    }
    let changed = records::change(root, record, |record| {
        if *asked != Limits::default() {
            let before = &record.settings.limits;
            record.settings.limits = match live::look(root, record)?.0 == Status::Running {
                true => {
                    let group = &mut known.container(&record.id)?.group;
                    update::merge(before, &update::change(text, group, asked)?)
                }
                false => update::change_recorded(text, before, asked)?,
            };
        }
        record.settings.restart = restart.unwrap_or(record.settings.restart);
        Ok(())
    });
    changed.map(drop)
}
