//! A second command in a container that runs (setns(2)): no namespace is made, all are joined. The
//! rest is the same launch (`crate::launch`) that a container goes through.

use crate::config::Process;
use crate::plan::{Mechanism, Plan, Streams, Target};
use anyhow::Result;

/// What each mechanism does to join the target.
pub fn plan(
    target: &Target,
    process: &Process,
    streams: Streams,
    mechanisms: &[Box<dyn Mechanism>],
) -> Result<Plan> {
    let mut plan = Plan::new(streams);
    for mechanism in mechanisms {
        mechanism.enter(target, process, &mut plan)?;
    }
    Ok(plan)
}
