//! What users of docker expect besides.

pub mod blob;
pub mod digest;
pub mod image;
pub mod layout;
pub mod moment;
pub mod names;
pub mod reference;
pub mod remove;
pub mod scratch;
pub mod store;
