//! `--plan`: the steps in words, none of them taken. It needs no privilege.

use crate::config::Process;
use crate::plan::{Phase, Plan};
use std::fmt::Write;

/// The plan as a person reads it.
pub fn show(mut plan: Plan, process: &Process) -> String {
    let steps = plan.take_steps();
    let clone_at = steps.iter().position(|step| step.phase > Phase::Prepare).unwrap_or(steps.len());
    let new: Vec<&str> = plan.namespaces.iter().map(|namespace| namespace.name()).collect();
    let new = if new.is_empty() { "none".into() } else { new.join(" ") };

    let mut out = String::new();
    let mut phase = None;
    for (index, step) in steps.iter().enumerate() {
        if index == clone_at {
            line(&mut out, format_args!("clone3: a child; new namespaces: {new}"));
            line(&mut out, format_args!("  it asks to die with the parent and waits at the gate"));
        }
        if step.phase == Phase::Lockdown && phase != Some(step.phase) {
            line(&mut out, format_args!("every other descriptor is closed"));
        }
        if phase != Some(step.phase) {
            let who = if index < clone_at { "parent" } else { "child" };
            line(&mut out, format_args!("{:?} ({who})", step.phase));
            phase = Some(step.phase);
        }
        line(&mut out, format_args!("  {:2}. {}", index + 1, step.title));
        line(&mut out, format_args!("      # {}", step.why));
    }
    let words: Vec<_> = process.arguments.iter().map(|word| word.to_string_lossy()).collect();
    let under = if process.init { ", below an init" } else { "" };
    line(&mut out, format_args!("it asks again to die with the parent"));
    line(&mut out, format_args!("execve: {}{under}", words.join(" ")));
    out
}

fn line(out: &mut String, text: std::fmt::Arguments) {
    writeln!(out, "{text}").expect("a String takes any text");
}
