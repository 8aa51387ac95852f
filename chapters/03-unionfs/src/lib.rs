//! Chapter 03: a root made of layers that containers share, and one thin layer of a container's own.
//!
//! Read the files in this order:
//!
//! 1. [`whiteout`]: how a layer says that something is gone
//! 2. [`stack`]: layers on top of one another, and how a name is looked up in them
//! 3. [`layer`]: where layers are kept, named by what is in them
//! 4. [`unpack`]: an archive becomes a layer, and cannot leave its directory
//! 5. [`container`]: a container's own layer, and the record of what it lies on
//! 6. [`overlay`]: the mechanism that makes one root of it all
//!
//! What users of docker expect besides is in [`engine`], and can be skipped.

pub mod container;
pub mod engine;
pub mod layer;
pub mod overlay;
pub mod stack;
pub mod unpack;
pub mod whiteout;
