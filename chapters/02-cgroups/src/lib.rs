//! Chapter 02: a group of processes as one thing, and how much it may use.
//!
//! Read the files in this order:
//!
//! 1. [`limits`]: what was asked for, as values
//! 2. [`hierarchy`]: which trees of groups there are, and where in them we may make ours
//! 3. [`v2`] and [`v1`]: the same limits as files of the kernel's two interfaces
//! 4. [`group`]: a directory is made, filled with processes, killed as a whole, removed
//! 5. [`counters`]: what a group has used, and what was done to it
//! 6. [`cgroup`]: the mechanism that puts a container into its group
//!
//! Of [`engine`] these belong to it: [`engine::joined`] (which hierarchies), [`engine::inherit`] (our
//! own limits), [`engine::claim`] (whose a group is), [`engine::keeper`] (who removes it),
//! [`engine::mounts`], [`engine::member`], [`engine::subtree`]. The rest is what users of docker expect.

pub mod cgroup;
pub mod counters;
pub mod engine;
pub mod group;
pub mod hierarchy;
pub mod limits;
pub mod v1;
pub mod v2;
