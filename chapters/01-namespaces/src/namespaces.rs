//! What the child does not share with the host: its host name, process numbers, mounts, System V
//! and POSIX queues, network (namespaces(7)). Each is one flag of clone3(2); leave one out
//! (`--uts host`, …) to see what it was good for.

use crate::config::{Config, Process};
use crate::plan::{Mechanism, Phase, Plan, Target};
use anyhow::Result;
use kernel::Pid;
use kernel::namespace::{self, Namespace};
use std::rc::Rc;

/// The namespaces of this chapter, in the order in which the book explains them.
pub const NAMESPACES: &[Namespace] =
    &[Namespace::Uts, Namespace::Pid, Namespace::Mount, Namespace::Ipc, Namespace::Network];

/// The mechanism.
pub struct Namespaces;

impl Mechanism for Namespaces {
    fn prepare(&self, config: &Config, plan: &mut Plan) -> Result<()> {
        plan.namespaces = NAMESPACES.iter().copied().filter(|n| config.has_own(*n)).collect();

        // LAB 01.1 name: plan a step that sets the host name, if the configuration has one
        if let Some(hostname) = config.hostname.clone() {
            plan.step(
                Phase::Rooted,
                "set the host name",
                "a new UTS namespace begins with a copy of the host's name",
                move || Ok(namespace::set_hostname(&hostname)?),
            );
        }
        // LAB 01.5 loopback: plan a step that brings lo up, in a network of its own only
        if config.has_own(Namespace::Network) {
            plan.step(
                Phase::Rooted,
                "bring the loopback interface up",
                "a new network namespace has lo alone, and it is down: 127.0.0.1 would not answer",
                || Ok(kernel::network::loopback_up()?),
            );
        }
        Ok(())
    }

    fn enter(&self, target: &Target, _process: &Process, plan: &mut Plan) -> Result<()> {
        // Joining a namespace that we are in already is an error for some kinds (EINVAL for user
        // namespaces) and needless for all.
        let elsewhere =
            |namespace: &Namespace| namespace.inode(target.pid) != namespace.inode(Pid::this());
        let (before, after): (Vec<Namespace>, Vec<Namespace>) = Namespace::ALL
            .into_iter()
            .filter(elsewhere)
            .partition(|namespace| matches!(namespace, Namespace::User | Namespace::Pid));
        let early =
            "one gives the right to join the others, the other takes in only later children";
        let late = "with the mount namespace come its root and its working directory";
        // LAB 01.6 exec: plan the steps that join these namespaces; in which phases?
        for (phase, title, why, kinds) in [
            (Phase::Prepare, "join the user and the PID namespace", early, before),
            (Phase::Pivot, "join the other namespaces", late, after),
        ] {
            let pidfd = Rc::clone(&target.pidfd);
            if !kinds.is_empty() {
                plan.step(phase, title, why, move || Ok(namespace::join(&*pidfd, &kinds)?));
            }
        }
        Ok(())
    }
}
