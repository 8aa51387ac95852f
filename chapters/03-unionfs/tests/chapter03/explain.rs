//! `--explain` tells of every layer and of the mount, and strace(1) is the witness.

use kernel::explain::NAMED;
use testkit::{fresh_root, peer, root_or_skip, scratch, story};

use crate::minidock;
use crate::oci::{Layer, put};

#[test]
fn the_story_and_strace_agree() {
    if peer("strace", "apt install strace").is_none()
        || !root_or_skip("strace of a lab box ends it")
    {
        return;
    }
    let state = fresh_root();
    let state = state.path();
    put(state, "x", vec![Layer::new().with_probe(), Layer::new().file("a", ""), Layer::new()]);
    minidock(state, "run --rm x /probe true").run().success();
    for (options, code) in [
        ("--rm x /probe true", 0),
        ("x /probe exit 3", 3),
        ("--read-only --rm lab /probe true", 0),
        ("--rm x /no-such-command", 127),
    ] {
        let directory = scratch();
        let trace = directory.path().join("trace");
        let strace = format!("strace -f -s 4096 -o {}", trace.display());
        let session = minidock(state, "--explain run").words(options).under(&strace).run();
        let (story, trace) = (session.code(code).errors(), std::fs::read_to_string(trace).unwrap());
        let (told, seen) = (story::told(&story, NAMED), story::seen(&trace, NAMED));
        assert!(told.len() > 40, "{options}: {story}");
        if let Err(difference) = story::interleaves(&told, &seen) {
            panic!("{options}: {difference}\n{story}");
        }
        let layers = story.lines().filter(|line| line.contains("\"lowerdir+\"")).count();
        assert!(story.contains("fsopen(\"overlay\""), "{options}: {story}");
        // No step has a heading alone.
        let own = story.split("parent: make the container's own layer\n").nth(1).unwrap();
        let own: Vec<&str> = own.lines().skip(2).map(|line| line.trim_start()).take(4).collect();
        let begin = ["mkdirat(", "mkdirat(", "fchownat(", "fchmodat("];
        let as_told = own.iter().zip(begin).all(|(line, call)| line.starts_with(call));
        assert!(as_told, "{options}: {story}");
        let expected = if options.contains("lab") { 1 } else { 3 };
        assert_eq!(layers, expected, "{options}: {story}");
    }
}

#[test]
fn of_a_copy_the_step_is_told_and_not_each_of_its_files() {
    let state = fresh_root();
    let run = minidock(state.path(), "--explain run --rm --storage-driver copy lab /probe true");
    let story = run.run().success().errors();
    assert!(story.contains("parent: copy the layers\n  # "), "{story}");
    assert!(!story.contains("\"overlay\"") && !story.contains("\"lowerdir+\""), "{story}");
}
