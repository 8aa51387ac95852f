//! minidock-03
fn main() {}
