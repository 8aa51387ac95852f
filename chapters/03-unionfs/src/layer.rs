//! Where layers are kept.
