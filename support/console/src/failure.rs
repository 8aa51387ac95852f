//! Failures as a person and a script meet them: `minidock-01: what is wrong`, then `  try: what
//! helps`, and Docker's exit codes.

use kernel::Errno;
use std::fmt;
use std::io::Write;

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

/// Prints an error as a person is told it; returns the exit code.
pub fn report(program: &str, error: &anyhow::Error, usual_code: u8) -> u8 {
    let (text, code) = told(program, error, usual_code);
    // If standard error is closed there is nowhere to say it; the exit code still does.
    let _said = std::io::stderr().write_all(text.as_bytes());
    code
}

/// An error with its causes and the first remedy among them, and the exit code.
pub fn told(program: &str, error: &anyhow::Error, usual_code: u8) -> (String, u8) {
    let mut text = format!("{program}: {}\n", printable(&format!("{error:#}")));
    // anyhow finds a Failure that is a cause, and one that was added as context.
    let failure = error.downcast_ref::<Failure>();
    let of_call = |cause: &(dyn std::error::Error + 'static)| {
        let call = cause.downcast_ref::<kernel::Error>().and_then(kernel::Error::remedy);
        call.map(String::from).or_else(|| out_of_space(cause))
    };
    let remedy = failure
        .and_then(|failure| failure.remedy.clone())
        .or_else(|| error.chain().find_map(of_call));
    if let Some(remedy) = remedy {
        text += &format!("  try: {}\n", printable(&remedy));
    }
    (text, failure.and_then(|failure| failure.code).unwrap_or(usual_code))
}

/// A message may name what somebody else has named: control characters in it are shown, so that
/// the terminal does not obey them.
pub fn printable(text: &str) -> String {
    let show = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(show).collect()
}

/// A full disk can be met anywhere: what is no file of ours has a remedy of its own.
fn out_of_space(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    is_full(cause.downcast_ref::<std::io::Error>()?)
        .then(|| "free some space there, or name another place with --root".into())
}

/// Whether there was no room for what was to be written.
pub fn is_full(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOSPC | Errno::EDQUOT))
}
