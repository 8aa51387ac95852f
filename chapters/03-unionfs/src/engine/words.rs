//! Failures in Docker's words, and what to try.

use console::failure::Failure;

/// As much of an id as is shown.
pub fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// A name that another container has.
pub fn name_taken(name: &str, id: &str) -> anyhow::Error {
    let message = format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have \
         to remove (or rename) that container to be able to reuse that name."
    );
    Failure::new(message).remedy(format!("choose another name, or `rm {name}`")).into()
}

/// Whether this is the failure that a name is another container's.
pub fn is_taken(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(|failure| failure.message.starts_with("Conflict. "))
}

/// Several containers whose ids begin so.
pub fn ambiguous(text: &str) -> anyhow::Error {
    let message = format!("multiple IDs found with provided prefix: {text}");
    Failure::new(message).remedy("give more digits: `ps -a --no-trunc` shows all").code(1).into()
}

/// No container of this name; a record that cannot be read may be its.
pub fn no_such_container(text: &str, unreadable: Vec<anyhow::Error>) -> anyhow::Error {
    let failure = Failure::new(format!("No such container: {text}")).code(1);
    match unreadable.into_iter().next() {
        Some(error) => failure.remedy(format!("it may be this one: {error:#}")).into(),
        None => failure.remedy("`ps -a` lists all").into(),
    }
}

/// A container that runs, and cannot be removed.
pub fn is_running(text: &str) -> anyhow::Error {
    let message = format!(
        "cannot remove container \"{text}\": container is running: stop the container before \
         removing or force remove"
    );
    Failure::new(message).remedy(format!("`stop {text}`, or `rm -f {text}`")).code(1).into()
}

/// One that runs, and cannot be started to attach to it.
pub fn already_running(name: &str) -> anyhow::Error {
    let failure = Failure::new(format!("container {name} is running already"));
    failure.remedy(format!("`attach {name}`")).code(1).into()
}

/// One that cannot be killed, as it does not run.
pub fn not_running_to_kill(text: &str, id: &str) -> anyhow::Error {
    let words = format!("cannot kill container: {text}: container {id} is not running");
    Failure::new(words).remedy(format!("`start {text}`")).code(1).into()
}

/// One that has no shim.
pub fn in_the_foreground(name: &str, error: anyhow::Error) -> anyhow::Error {
    let failure = Failure::new(format!("container {name} was started in the foreground"));
    error.context(failure.remedy("its output is where it was started; start it with -d").code(1))
}

/// Whether this is the failure that there is no such container.
pub fn is_missing(error: &anyhow::Error) -> bool {
    let failure = error.downcast_ref::<Failure>();
    failure.is_some_and(|failure| failure.message.starts_with("No such container"))
}
