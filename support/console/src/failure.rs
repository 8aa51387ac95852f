//! Failures as a person and a script meet them: `minidock-01: what is wrong`, then `  try: what
//! helps`, and Docker's exit codes.

use kernel::Errno;
use std::fmt;

/// Exit code when minidock itself failed and the command never ran.
pub const OURS: u8 = 125;
/// Exit code when the command was found and cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit code when the command was not found.
pub const NOT_FOUND: u8 = 127;

/// A failure that knows more than its message: an exit code of its own, or what to try.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to try.
    pub remedy: Option<String>,
    /// The exit code, where it is not the command's usual one.
    pub code: Option<u8>,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), remedy: None, code: None }
    }

    /// Adds what to try.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }

    /// Sets the exit code.
    pub fn code(mut self, code: u8) -> Failure {
        self.code = Some(code);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints an error with its causes and the first remedy among them; returns the exit code.
pub fn report(program: &str, error: &anyhow::Error, usual_code: u8) -> u8 {
    eprintln!("{program}: {error:#}");
    let remedy = error.chain().find_map(|cause| {
        let failure = cause.downcast_ref::<Failure>().and_then(|failure| failure.remedy.clone());
        let call = || cause.downcast_ref::<kernel::Error>()?.remedy().map(String::from);
        failure.or_else(call).or_else(|| out_of_space(cause))
    });
    if let Some(remedy) = remedy {
        eprintln!("  try: {remedy}");
    }
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.code).unwrap_or(usual_code)
}

/// A full disk can be met anywhere.
fn out_of_space(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let errno = Errno::from_raw(cause.downcast_ref::<std::io::Error>()?.raw_os_error()?);
    matches!(errno, Errno::ENOSPC | Errno::EDQUOT)
        .then(|| "free some space there, or choose another place with --root DIR".into())
}
