//! `--explain` names every file of a group that is written, and strace(1) is the witness; `--plan` needs no right to write.

use std::collections::{BTreeMap, HashMap};

use kernel::explain::NAMED;
use testkit::{peer, random_token, story};

use crate::{may_limit, minidock};

/// Runs `minidock-02 --explain run OPTIONS` under strace. Returns the story and the trace.
fn traced(options: &str, code: i32) -> Option<(String, String)> {
    peer("strace", "apt install strace")?;
    let directory = testkit::scratch();
    let trace = directory.path().join("trace");
    let strace = format!("strace -f -s 4096 -o {}", trace.display());
    let session = minidock("--explain run").words(options).under(&strace).run();
    Some((session.code(code).errors(), std::fs::read_to_string(trace).unwrap()))
}

/// Text and how often, of all writes into files of control groups: `FILE = VALUE`.
type Written = BTreeMap<String, usize>;

/// The writes in a list of calls. Of each descriptor, the last file opened counts.
fn written<'a>(lines: impl Iterator<Item = &'a str>) -> Written {
    let (mut files, mut written) = (HashMap::new(), Written::new());
    for line in lines {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let (name, quoted) = (name.trim(), rest.split('"').nth(1).unwrap_or_default());
        let result = rest.rsplit_once(" = ").map_or("", |(_, result)| result);
        let result = result.split_whitespace().next().unwrap_or_default();
        let first = rest.split(',').next().unwrap_or_default();
        if name == "openat2" {
            files.insert(result.to_owned(), quoted.to_owned());
        } else if name == "write"
            && let Some(file) = files.get(first).filter(|file| file.starts_with("/sys/fs/cgroup"))
        {
            *written.entry(format!("{file} = {quoted}")).or_default() += 1;
        }
    }
    written
}

#[test]
fn the_story_and_strace_agree() {
    if !may_limit() {
        return;
    }
    for (options, code) in [
        ("lab /probe true", 0),
        ("-m 40m --pids-limit 50 lab /probe true", 0),
        ("-m 40m --init lab /probe exit 3", 3),
        ("--pid host lab /probe true", 0),
        ("-m 40m lab no-such-command", 127),
        ("-m 20m lab /probe eat 64M", 137),
    ] {
        let Some((story, trace)) = traced(options, code) else { return };
        let (told, seen) = (story::told(&story, NAMED), story::seen(&trace, NAMED));
        assert!(told.len() > 40 || code != 0, "{options}: {story}");
        if let Err(difference) = story::interleaves(&told, &seen) {
            panic!("{options}: {difference}\n{story}");
        }
    }
}

#[test]
fn this_chapters_own_calls_are_told() {
    if !may_limit() {
        return;
    }
    let story = minidock("--explain run lab /probe true").run().errors();
    for name in ["mkdirat(AT_FDCWD, \"/sys/fs/cgroup", "rmdir", "unshare"] {
        assert!(story.contains(&format!("\n    {name}")), "{name} is told nowhere: {story}");
    }
}

#[test]
fn removal_is_told_under_its_own_heading_and_only_of_what_is_there() {
    if !may_limit() {
        return;
    }
    let story = minidock("--explain run lab /probe true").run().errors();
    let (_, removal) = story.split_once("parent: remove the control group\n").unwrap();
    assert!(removal.contains("    rmdir("), "{story}");
    let gone = story.lines().find(|line| line.contains(" rmdir(") && line.contains("ENOENT"));
    assert_eq!(gone, None, "{story}");
}

#[test]
fn every_file_that_is_written_is_told_with_its_value_and_meaning() {
    if !may_limit() {
        return;
    }
    let name = random_token();
    let options = format!("--name {name} -m 41m --pids-limit 51 lab /probe true");
    let Some((story, trace)) = traced(&options, 0) else { return };
    let told = written(story.lines().filter_map(|line| line.strip_prefix("    ")));
    // Those lines begin with a process id. One process starts a call and is interrupted by another's: its line comes in halves,
    // which a write of a few bytes or an open hardly ever does, and then the test says so.
    let seen = written(trace.lines().filter_map(|line| Some(line.split_once(' ')?.1)));
    assert_eq!(told, seen, "{story}");
    let of_ours = |text: &str| told.keys().any(|file| file.contains(&name) && file.ends_with(text));
    assert!(of_ours("pids.max = 51"), "{told:#?}");
    let memory = (41 << 20).to_string();
    let (v1, v2) = (format!("memory.limit_in_bytes = {memory}"), format!("memory.max = {memory}"));
    assert!(of_ours(&v1) || of_ours(&v2), "{told:#?}");
    // Each has a heading with its name and value, and beneath it what it means.
    for setting in told.keys().filter(|file| file.contains(&name)) {
        let Some((file, value)) = setting.split_once(" = ") else { continue };
        let file = file.rsplit('/').next().unwrap();
        let heading = format!("parent: {file} = {value}\n  # ");
        assert!(file == "tasks" || story.contains(&heading), "{heading}\n{story}");
    }
}

#[test]
fn a_plan_is_told_and_nothing_is_made() {
    let name = random_token();
    let plan = minidock("run --plan -m 40m --pids-limit 50 --name").arg(&name);
    let plan = plan.words("-h name lab echo hello").run().success().text();
    if std::env::var_os("MINIDOCK_BIN_02").is_none() {
        insta::assert_snapshot!(plan);
    }
    assert!(plan.contains("make a control group") && plan.contains("write the limits"), "{plan}");
    crate::has_left_nothing(&name);
}

#[test]
fn a_plan_needs_no_root() {
    if testkit::is_root() && peer("setpriv", "apt install util-linux").is_none() {
        return;
    }
    let state = testkit::fresh_root();
    let binary = state.path().join("minidock-02");
    std::fs::copy(testkit::binary(2), &binary).unwrap();
    let plan =
        testkit::program(&binary).words("run --plan -m 40m lab true").state(testkit::shared_root());
    let plan = if testkit::is_root() { plan.as_user(43210) } else { plan };
    plan.run().success().stdout_contains("write the limits").stderr("");
}
