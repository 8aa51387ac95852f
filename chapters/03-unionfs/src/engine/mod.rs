//! What users of docker expect besides.

pub mod digest;
pub mod remove;
pub mod scratch;
