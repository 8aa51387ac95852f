//! What the `lab` promises and this machine cannot give.

use super::check::{Check, partly};
use super::ground::Ground;
use crate::engine::labroot;
use kernel::capability::{Refused, aside};

/// The promised tools. A welcome one may be missing: nothing relies on it.
pub(super) fn checks(ground: &Ground) -> Vec<Check> {
    // In a child: PATH may lead to a dead file server.
    let promised = aside(|| Ok(labroot::missing().join(" "))).and_then(|missing| {
        match missing.split(' ').collect::<Vec<_>>()[..] {
            [""] => Ok(format!("all {} promised tools", labroot::PROMISED.len())),
            [..] if missing.split(' ').any(|tool| tool == "sh") => {
                Err(Refused::new(format!("no shell, hence no lab; lacks {missing}")))
            }
            [..] => Err(partly(format!("lacks {missing}"))),
        }
    });
    let install =
        |_: &Refused| ground.install("busybox-static", "busybox", "busybox", "busybox-static");
    vec![Check::new("lab-tools", super::check::ALL, promised, install)]
}
