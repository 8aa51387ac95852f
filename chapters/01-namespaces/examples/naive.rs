//! The container that one writes first: all of it inline, in the order in which it comes to mind.
//! It works. The book's first chapter shows what is wrong with it, and draws the plan out of that.
//!
//! `naive ROOT PROGRAM [ARGUMENT…]`, as root

use kernel::mount::{self, attribute::NO_SUID};
use kernel::namespace::{self, Namespace};
use kernel::process::{self, Cloned};
use kernel::{network, path};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;

/// Also called by its test.
pub(crate) fn main() {
    let arguments: Vec<CString> = std::env::args_os()
        .skip(1)
        .map(|argument| CString::new(argument.into_vec()).expect("execve brings no NUL"))
        .collect();
    let [root, command @ ..] = arguments.as_slice() else { usage() };
    if command.is_empty() {
        usage()
    }
    let namespaces =
        [Namespace::Uts, Namespace::Pid, Namespace::Mount, Namespace::Ipc, Namespace::Network];
    let ended = process::clone(&namespaces).and_then(|cloned| match cloned {
        Cloned::Child => Err(contain(root, command)),
        Cloned::Parent(child) => process::wait(&child),
    });
    match ended {
        Ok(exit) => std::process::exit(exit.code().into()),
        Err(error) => {
            eprintln!("naive: {error}");
            std::process::exit(1)
        }
    }
}

/// Becomes the command in a container. Comes back only with the reason why it could not.
fn contain(root: &CStr, command: &[CString]) -> kernel::Error {
    match build_the_container(root) {
        Ok(()) => process::execute(&command[0], command, &environment()),
        Err(error) => error,
    }
}

fn build_the_container(root: &CStr) -> kernel::Result<()> {
    namespace::set_hostname("naive")?;
    network::loopback_up()?;
    mount::make_tree_private(c"/")?;
    // pivot_root wants a mount: the directory is bound, over the old root.
    let root = mount::clone_tree_at(root)?;
    mount::attach_at(&root, c"/")?;
    path::change_directory_to(&root)?;
    let proc = mount::new_file_system(c"proc", c"proc", &[], NO_SUID)?;
    mount::attach_at(&proc, c"proc")?;
    mount::pivot_root_here()?;
    mount::detach(c".")?;
    path::change_directory(c"/")
}

/// Ours, as it is.
fn environment() -> Vec<CString> {
    std::env::vars_os()
        .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
        .map(|entry| CString::new(entry).expect("execve brings no NUL"))
        .collect()
}

fn usage() -> ! {
    eprintln!("naive ROOT PROGRAM [ARGUMENT…]");
    std::process::exit(2)
}
