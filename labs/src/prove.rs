//! The grader graded, by `cargo xtask lab-test`: the skeleton compiles and fails every check; with each task done, its checks
//! pass, too, and at the end all; each known mistake fails its own check alone, with the sentence that helps; and a script
//! that only executes the command fails every task. While one variant is checked, which is mostly waiting, the next is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::catalog::{Chapter, Check, Task};
use crate::grade::{self, Graded, Status};
use crate::{copy, learner};

/// Checks wait more than they compute, so more of them at once than there are processors.
const AT_ONCE: usize = 5;

/// So do variants, while the next one is built.
const VARIANTS_AT_ONCE: usize = 2;

/// The least that runs a command: no namespace, no root. `exec` takes the root of the process.
const BARE: &str = r#"#!/bin/sh
verb=$1; shift
while :; do
    case $1 in
    -h | -m | --name | --pid | --memory-swap | --cpus | --cpuset-cpus | --pids-limit | --device-*) shift 2 ;;
    --storage-driver) shift 2 ;;
    -*) shift ;;
    *) break ;;
    esac
done
root=$1 command=$2; shift 2
test "$verb" = exec && root=/proc/$root/root
exec "$root$command" "$@"
"#;

/// A tree with something wrong, or nothing.
struct Variant {
    name: String,
    /// The files that differ from the tree.
    files: BTreeMap<String, String>,
    /// `01.2 proc`: these fail, and no others.
    fails: BTreeSet<String>,
    /// But these, or all of a task, may: they rest on what is missing.
    carried: Vec<String>,
    /// What the one that fails has to say.
    helps: Option<String>,
}

/// Proves every chapter's labs, or those variants whose name has `only` in it.
pub(crate) fn run(only: Option<&str>) -> Result<ExitCode> {
    if let Err(why) = grade::environment() {
        eprintln!("lab: {why}");
        return Ok(ExitCode::from(crate::ENVIRONMENT));
    }
    let mut wrong = Vec::new();
    for chapter in Chapter::all()? {
        wrong.extend(prove(&chapter, only.unwrap_or(""))?);
    }
    for line in &wrong {
        eprintln!("lab: {line}");
    }
    Ok(ExitCode::from(u8::from(!wrong.is_empty())))
}

fn prove(chapter: &Chapter, only: &str) -> Result<Vec<String>> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => std::path::absolute(directory)?,
        None => crate::tree().join("target"),
    };
    let place = target.join("labs");
    // One copy and one directory to build in: from variant to variant, cargo compiles only what differs.
    let learners = place.join(&chapter.number);
    if learners.exists() {
        fs::remove_dir_all(&learners)
            .with_context(|| format!("cannot remove {}", learners.display()))?;
    }
    copy::make(chapter, &learners)?;
    let chosen = variants(chapter)?.into_iter().filter(|variant| variant.name.contains(only));
    let chosen: Vec<Variant> = chosen.collect();
    let wrong = Mutex::new(Vec::new());
    // An error is told like any other finding: whoever returned early would leave the builder waiting.
    let found = |name: &str, lines: Result<Vec<String>>| {
        let lines = lines.unwrap_or_else(|error| vec![format!("{name}: {error:#}")]);
        wrong.lock().expect("no holder of this lock panics").extend(lines);
    };
    let (send, built) = sync_channel(0);
    let built = Mutex::new(built);
    let next = || built.lock().expect("no holder of this lock panics").recv();
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| build(chapter, &chosen, &place, &learners, send));
        if "bare".contains(only) {
            found("a bare exec", bare(chapter, &place));
        }
        for _ in 0..VARIANTS_AT_ONCE {
            scope.spawn(|| {
                while let Ok((variant, binary, seconds)) = next() {
                    found(&variant.name, check(chapter, variant, binary.as_deref(), seconds));
                }
            });
        }
        builder.join().expect("the building thread does not panic")
    })?;
    Ok(wrong.into_inner().expect("no holder of this lock panics"))
}

/// A variant, its binary if it compiles, and how many seconds that took.
type Built<'a> = (&'a Variant, Option<PathBuf>, f64);

/// Builds one after the other.
fn build<'a>(
    chapter: &Chapter,
    variants: &'a [Variant],
    place: &Path,
    learners: &Path,
    to: SyncSender<Built<'a>>,
) -> Result<()> {
    for (index, variant) in variants.iter().enumerate() {
        let start = Instant::now();
        lay_out(chapter, variant, learners)?;
        let built = learner::build(chapter, learners, Some(&place.join("build")))?;
        // A name of its own: while one is checked for long, others come and go.
        let kept = place.join(format!("{}-{index}", chapter.binary));
        if let Some(built) = &built {
            fs::copy(built, &kept).with_context(|| format!("cannot copy {}", built.display()))?;
        }
        let seconds = start.elapsed().as_secs_f64();
        let sent = to.send((variant, built.map(|_| kept), seconds));
        ensure!(sent.is_ok(), "nobody checks any more");
    }
    Ok(())
}

/// Checks one variant, says so, and returns what is not as it should be.
fn check(
    chapter: &Chapter,
    variant: &Variant,
    binary: Option<&Path>,
    compiled: f64,
) -> Result<Vec<String>> {
    let Some(binary) = binary else {
        return Ok(vec![format!("{}: it does not compile", variant.name)]);
    };
    let start = Instant::now();
    let found = all(chapter, binary)?;
    fs::remove_file(binary).with_context(|| format!("cannot remove {}", binary.display()))?;
    let wrong = compare(variant, &found);
    let verdict = if wrong.is_empty() { "as it should" } else { "NOT as it should" };
    let count = |status| found.values().filter(|graded| graded.verdict.status == status).count();
    println!(
        "{verdict}: {} ({} of {} fail; {compiled:.1} s to compile, {:.1} s to check)",
        variant.name,
        count(Status::Fail),
        found.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(wrong)
}

fn variants(chapter: &Chapter) -> Result<Vec<Variant>> {
    let full = |task: &Task, check: &Check| format!("{} {}", task.id, check.name);
    let mut variants = Vec::new();
    for done in 0..=chapter.tasks.len() {
        let open = |task: &Task| chapter.tasks[done..].iter().any(|other| other.id == task.id);
        variants.push(Variant {
            name: match done {
                0 => "the skeleton".into(),
                _ if done == chapter.tasks.len() => "the solution".into(),
                _ => format!("tasks up to {}", chapter.tasks[done - 1].id),
            },
            files: copy::with_holes(chapter, |task, _| open(task))?,
            fails: chapter
                .checks()
                .filter(|(task, _)| open(task))
                .map(|(task, check)| full(task, check))
                .collect(),
            carried: carried(&mut chapter.checks().filter(|(task, _)| open(task))),
            helps: None,
        });
    }
    for (task, check) in chapter.checks() {
        let name = full(task, check);
        variants.push(Variant {
            name: format!("{name} left out"),
            files: copy::with_holes(chapter, |other, its| full(other, its) == name)?,
            fails: BTreeSet::from([name.clone()]),
            carried: check.carries.clone(),
            helps: Some(check.helps.clone()),
        });
        for mutant in &check.mutants {
            let mut files: BTreeMap<String, String> = BTreeMap::new();
            for edit in &mutant.edits {
                let before = files.get(&edit.file).cloned();
                let before = before.map_or_else(|| copy::whole(&edit.file), Ok)?;
                files.insert(edit.file.clone(), edit.apply(&before)?);
            }
            variants.push(Variant {
                name: format!("{name}: {}", mutant.name),
                files,
                fails: BTreeSet::from([name.clone()]),
                carried: mutant.carries.clone(),
                helps: Some(mutant.helps.clone()),
            });
        }
    }
    Ok(variants)
}

/// What rests on these checks' bodies.
fn carried<'a>(checks: &mut dyn Iterator<Item = (&'a Task, &'a Check)>) -> Vec<String> {
    checks.flat_map(|(_, check)| check.carries.iter().cloned()).collect()
}

/// Writes the variant's files, and the tree's own where it has none; those that stay the same are not touched, as cargo goes
/// by their times.
fn lay_out(chapter: &Chapter, variant: &Variant, learners: &Path) -> Result<()> {
    let holes = chapter.checks().flat_map(|(_, check)| check.holes.iter().map(|hole| &hole.file));
    let edits = chapter.checks().flat_map(|(_, check)| {
        check.mutants.iter().flat_map(|mutant| mutant.edits.iter().map(|edit| &edit.file))
    });
    for file in holes.chain(edits).collect::<BTreeSet<_>>() {
        let text = match variant.files.get(file) {
            Some(text) => text.clone(),
            None => copy::whole(file)?,
        };
        let place = learners.join(file);
        if fs::read_to_string(&place).ok().as_ref() != Some(&text) {
            copy::write(&place, &text)?;
        }
    }
    Ok(())
}

/// Runs every check of a chapter.
fn all(chapter: &Chapter, binary: &Path) -> Result<BTreeMap<String, Graded>> {
    let checks: Vec<_> = chapter.checks().collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some((task, check)) = checks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let graded = grade::grade(task, check, binary)?;
                let name = format!("{} {}", task.id, check.name);
                found.lock().expect("no holder of this lock panics").insert(name, graded);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a check's panic is caught"))
    })?;
    Ok(found.into_inner().expect("no holder of this lock panics"))
}

fn compare(variant: &Variant, found: &BTreeMap<String, Graded>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, Graded { verdict, .. }) in found {
        let fails = variant.fails.contains(name);
        let may_fail = !fails && variant.carried.iter().any(|carried| name.starts_with(carried));
        let expected = if fails { Status::Fail } else { Status::Pass };
        if verdict.status == Status::Skip {
            // What this machine lacks is told once, or where nothing may be skipped, is wrong.
            let skip = || testkit::skip(&format!("{name}: {}", verdict.observed), &verdict.help);
            if variant.fails.is_empty() {
                wrong.extend(grade::quietly(skip).err());
            }
        } else if verdict.status != expected && !may_fail {
            wrong.push(format!(
                "{}: {name}: expected {expected:?}, there is {verdict:?}",
                variant.name
            ));
        } else if let (true, Some(helps)) = (fails, &variant.helps)
            && !verdict.help.contains(&helps[..])
        {
            wrong.push(format!("{}: {name}: {helps:?} is not said: {verdict:?}", variant.name));
        }
    }
    wrong
}

fn bare(chapter: &Chapter, place: &Path) -> Result<Vec<String>> {
    let script: PathBuf = place.join("bare");
    copy::write(&script, BARE)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    // Otherwise its failures would prove nothing.
    let ran =
        testkit::program(&script).words("run -h x --cpus 1 / /bin/sh -c").arg("exit 42").run();
    ensure!(ran.status().code() == Some(42), "the bare exec does not run a command: {ran}");
    let found = all(chapter, &script)?;
    let passes = |task: &&Task| {
        let mut its = found.iter().filter(|(name, _)| name.starts_with(&task.id[..]));
        its.all(|(_, graded)| graded.verdict.status != Status::Fail)
    };
    let wrong: Vec<String> = chapter
        .tasks
        .iter()
        .filter(passes)
        .map(|task| format!("a bare exec does not fail {}", task.id))
        .collect();
    let passed = found.values().filter(|graded| graded.verdict.status == Status::Pass).count();
    println!("a bare exec passes {passed} of {} checks, and {} tasks", found.len(), wrong.len());
    Ok(wrong)
}
