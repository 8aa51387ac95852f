//! Chapter 01: a container is a process that was started with other namespaces and another root.
//!
//! Read the files in the order in which a container starts:
//!
//! 1. [`config`]: what is to run, decided before anything is done
//! 2. [`plan`]: how mechanisms turn that into steps
//! 3. [`launch`]: a child is made, waits at a gate, takes its steps, becomes the command
//! 4. [`namespaces`]: what the child does not share with the host
//! 5. [`rootfs`]: a root directory of its own
//! 6. [`kernel_files`]: /proc, /sys and /dev in it
//! 7. [`process`]: streams, user and working directory of the command
//! 8. [`program`]: finding the command, and executing it
//! 9. [`init`]: what the first process of a PID namespace owes to the others
//! 10. [`exec`]: a second command in a container that runs
//!
//! What users of docker expect besides is in [`engine`], and can be skipped.

pub mod config;
pub mod engine;
pub mod exec;
pub mod init;
pub mod kernel_files;
pub mod launch;
pub mod namespaces;
pub mod plan;
pub mod process;
pub mod program;
pub mod rootfs;
