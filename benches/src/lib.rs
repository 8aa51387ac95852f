//! What the benchmarks share: the rungs of the ladder, what limits do, a container's life, the ground
//! they run on, who takes part, rounds in which machine drift hits all alike, and results that name the machine and
//! each exact command.

pub mod bars;
pub mod bundle;
pub mod ground;
pub mod guests;
pub mod ladder;
pub mod layers;
pub mod life;
pub mod machine;
pub mod page;
mod page_tables;
pub mod participant;
pub mod peers;
mod plot;
pub mod resident;
pub mod results;
pub mod rounds;
#[cfg(test)]
mod sample;
pub mod shares;
pub mod table;
pub mod versions;
mod words;
pub mod workload;
pub mod writes;
