//! What users of docker expect besides the lesson: options, names, listings, messages. A reader of
//! the chapter may skip it.

pub mod block_io;
pub mod claim;
pub mod clean;
pub mod cpuset;
pub mod device_options;
pub mod device_rates;
pub mod find;
pub mod host_ps;
pub mod inspect;
pub mod keeper;
pub mod limit_options;
pub mod member;
pub mod mounts;
pub mod names;
pub mod out_of_memory;
pub mod pause;
pub mod pressure;
pub mod process;
pub mod process_limits;
pub mod ps;
pub mod refuse;
pub mod run;
pub mod shares;
pub mod stats;
pub mod stop;
pub mod subtree;
pub mod top;
pub mod traffic;
pub mod ulimits;
pub mod undelegated;
pub mod units;
pub mod update;
