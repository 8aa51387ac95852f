//! Chapter 03: a root of layers that containers share, and one thin layer of a container's own. In order:
//!
//! 1. [`overlay`]: the mechanism: layers on top of one another become a root
//! 2. [`whiteout`]: how a layer says that something is gone
//! 3. [`layer`]: where layers are kept, named by what is in them
//! 4. [`unpack`]: an archive becomes a layer, and cannot leave its directory
//! 5. [`container`]: what a container lies on, its own layer, and how it ended
//! 6. [`shim`]: who keeps a container that nobody waits for
//!
//! Of [`engine`] these belong to it: [`engine::stack`] (how a name is looked up in layers), [`engine::pack`]
//! (a layer becomes an archive), [`engine::copy`] (the other driver). The rest can be skipped.

pub mod container;
pub mod engine;
pub mod layer;
pub mod overlay;
pub mod shim;
pub mod unpack;
pub mod whiteout;
