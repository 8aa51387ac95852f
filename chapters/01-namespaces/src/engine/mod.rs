//! What users of docker expect besides the lesson: options, users, streams, the lab, listings,
//! messages. A reader of the chapter may skip it.

pub mod attend;
pub mod clean;
pub mod diagnose;
pub mod doctor;
pub mod elf;
pub mod environment;
pub mod failed;
pub mod ipc_files;
pub mod join;
pub mod labbox;
pub mod labroot;
pub mod labtree;
pub mod libraries;
pub mod masked;
pub mod refuse;
pub mod roots;
pub mod run;
pub mod show_plan;
pub mod slot;
pub mod spaces;
pub mod streams;
pub mod users;

mod labtools;
