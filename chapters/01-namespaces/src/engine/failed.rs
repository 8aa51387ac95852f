//! What travels from a child that could not become the command to its parent: the step, the call,
//! the errno, and the words for the person who waits. It comes through a pipe, and so as text.

use crate::program;
use anyhow::{Context, Result};
use console::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND, OURS};
use kernel::Errno;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// A step that failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    /// The step's title.
    pub step: String,
    /// The kernel call, or nothing if we refused ourselves.
    pub call: String,
    /// The kernel's reason, 0 without a call.
    pub errno: i32,
    /// The whole message.
    pub message: String,
    /// What to try, or nothing.
    pub remedy: String,
}

impl Failed {
    /// A step that failed with `error`.
    pub fn at(step: &str, error: &anyhow::Error) -> Failed {
        let call = error.downcast_ref::<kernel::Error>();
        let refusal = error.downcast_ref::<Failure>();
        let remedy = call.and_then(kernel::Error::remedy).map(String::from);
        Failed {
            step: step.into(),
            call: call.map_or(String::new(), |call| call.call.into()),
            errno: call.map_or(0, |call| call.errno as i32),
            message: format!("{error:#}"),
            remedy: remedy.or_else(|| refusal?.remedy.clone()).unwrap_or_default(),
        }
    }

    /// Tells the parent, and ends this process. A parent that is gone needs no report.
    pub fn report(&self, failures: OwnedFd) -> ! {
        let Failed { step, call, errno, message, remedy } = self;
        let text = format!("{step}\0{call}\0{errno}\0{message}\0{remedy}");
        let _told = std::fs::File::from(failures).write_all(text.as_bytes());
        kernel::process::exit(OURS)
    }

    fn parse(text: &str) -> Option<Failed> {
        let mut fields = text.splitn(5, '\0').map(String::from);
        Some(Failed {
            step: fields.next()?,
            call: fields.next()?,
            errno: fields.next()?.parse().ok()?,
            message: fields.next()?,
            remedy: fields.next()?,
        })
    }

    /// The failure as the person at the command line sees it.
    fn into_failure(self) -> Failure {
        let remedy = Some(self.remedy).filter(|remedy| !remedy.is_empty());
        if self.step == program::STEP {
            let found = self.errno != Errno::ENOENT as i32;
            let code = if found { NOT_EXECUTABLE } else { NOT_FOUND };
            return Failure { message: self.message, remedy, code: Some(code) };
        }
        let message = format!("{}: {}", self.step, self.message);
        Failure { message, remedy, code: Some(OURS) }
    }
}

/// What a child writes last before execve.
const ABOUT_TO_EXECUTE: char = '!';

/// Tells the parent that every step was taken. What the pipe brings after that is execve's failure,
/// or, with its end, its success; an end before it means that the child was killed on its way.
pub fn announce(failures: &OwnedFd) -> Result<()> {
    nix::unistd::write(failures, &[ABOUT_TO_EXECUTE as u8]).context("write to the pipe")?;
    Ok(())
}

/// Reads a child's report.
pub fn read(failures: OwnedFd) -> Result<()> {
    let mut text = String::new();
    std::fs::File::from(failures).read_to_string(&mut text).context("read the failure pipe")?;
    let report = text.strip_prefix(ABOUT_TO_EXECUTE);
    if report == Some("") {
        return Ok(());
    }
    match Failed::parse(report.unwrap_or(&text)) {
        Some(failed) => Err(failed.into_failure().into()),
        None => Err(Failure::new("the child was killed before it could become the command")
            .remedy("if nobody did, memory may be short: see dmesg")
            .code(OURS)
            .into()),
    }
}
