//! What the benchmarks share: the ground they run on, who takes part, rounds in which machine
//! drift hits all alike, and a report that names the machine and each exact command.

pub mod bundle;
pub mod ground;
pub mod machine;
pub mod participant;
pub mod peers;
pub mod report;
pub mod rounds;
