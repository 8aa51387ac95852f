//! What users of docker expect besides.

pub mod blob;
pub mod digest;
pub mod epoch;
pub mod garbage;
pub mod image;
pub mod images;
pub mod inspect_image;
pub mod instructions;
pub mod layout;
pub mod moment;
pub mod names;
pub mod reference;
pub mod remove;
pub mod rmi;
pub mod scratch;
pub mod store;
pub mod usage;
