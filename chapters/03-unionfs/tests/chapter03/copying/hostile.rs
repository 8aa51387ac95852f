//! `cp` from and to a container whose files, links and archives were made by somebody who wants it to go elsewhere, or for
//! ever.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::time::{Duration, Instant};

use testkit::{Output, program, random_token, scratch, shared_root, wait_for};

use super::{WAYS, container, cp, sleeper, text, tree};
use crate::background::Background;
use crate::minidock;
use crate::oci::Layer;

#[test]
fn no_name_in_an_archive_leads_out_of_the_destination() {
    let outside = scratch();
    let secret = random_token();
    fs::write(outside.path().join("secret"), &secret).unwrap();
    let (up, absolute) = ("../".repeat(12), text(outside.path()).to_owned());
    let relative = format!("{up}{}", &absolute[1..]);
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        let unpack = |layer: Layer| cp(&container, "-", "@:/tmp").stdin(layer.archive()).run();
        let refused = |layer: Layer| _ = unpack(layer).code(1);
        refused(Layer::new().file(format!("{relative}/evil"), "evil"));
        refused(Layer::new().file("../evil", "evil"));
        refused(Layer::new().hard("x", &format!("{relative}/secret")));
        refused(Layer::new().link("up", &up).hard("x", &format!("up{absolute}/secret")));
        // Not refused, and in there: the path is made below the destination.
        unpack(Layer::new().file(format!("{absolute}/evil"), "evil")).success();
        for (number, target) in [&absolute, &relative].into_iter().enumerate() {
            let link = format!("link{number}");
            // It leads to the directory of that name in the destination, if to anything.
            unpack(Layer::new().link(&link, target).file(format!("{link}/evil"), "evil"));
        }
        let evil = minidock(shared_root(), "cp").arg(format!("{}:/evil", container.name));
        evil.arg("-").run().code(1).stderr_contains("Could not find the file /evil");
        let left: Vec<_> = fs::read_dir(outside.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{command} {driver}: {left:?}");
    }
}

/// A link that leads to a directory of the host's leads in a container to one of its own, or to nothing.
#[test]
fn links_in_a_container_lead_nowhere_but_into_it() {
    let (outside, out) = (scratch(), scratch());
    let secret = random_token();
    fs::write(outside.path().join("secret"), &secret).unwrap();
    fs::write(out.path().join("f"), "evil").unwrap();
    let f = text(&out.path().join("f")).to_owned();
    let absolute = text(outside.path()).to_owned();
    let links = [
        absolute.clone(),
        format!("{}{}", "../".repeat(20), &absolute[1..]),
        format!("/proc/self/root{absolute}"),
        format!("/proc/1/root{absolute}"),
    ];
    for (command, driver) in WAYS {
        let container = container(command, driver, "lab sleep 600");
        let made = scratch();
        for (number, target) in links.iter().enumerate() {
            symlink(target, made.path().join(format!("to{number}"))).unwrap();
            symlink(format!("{target}/secret"), made.path().join(format!("secret{number}")))
                .unwrap();
        }
        cp(&container, &format!("{}/.", text(made.path())), "@:/tmp").run().success();
        let to = text(&out.path().join("got")).to_owned();
        let never = |output: &Output| {
            let got = fs::read_to_string(&to).unwrap_or_default();
            output.claim(!got.contains(&secret) && !output.text().contains(&secret), "no secret");
        };
        for number in 0..links.len() {
            let tries = [
                format!("@:/tmp/to{number}/secret"),
                format!("@:/tmp/to{number}/."),
                format!("@:/tmp/to{number}/"),
            ];
            for source in tries {
                never(cp(&container, &source, &to).run().code(1));
                never(cp(&container, &source, "-").run().code(1));
            }
            let source = format!("{}:/tmp/secret{number}", container.name);
            never(minidock(shared_root(), "cp -L").arg(&source).arg(&to).run().code(1));
            for place in [
                format!("@:/tmp/to{number}/x"),
                format!("@:/tmp/to{number}/"),
                format!("@:/tmp/secret{number}"),
            ] {
                never(cp(&container, &f, &place).run().code(1));
            }
        }
        // Where it has the same path itself, that is meant.
        cp(&container, &f, "@:/tmp/f").run().success();
        let own = "mkdir -p $0; cp /tmp/f $0/secret";
        minidock(shared_root(), "start").arg(&container.name).run().success();
        let exec = minidock(shared_root(), "exec").arg(&container.name).sh(own).arg(&absolute);
        exec.run().success();
        for number in 0..2 {
            cp(&container, &format!("@:/tmp/to{number}/secret"), &to).run().success();
            assert_eq!(fs::read_to_string(&to).unwrap(), "evil");
            cp(&container, &f, &format!("@:/tmp/to{number}/new")).run().success();
        }
        let new = minidock(shared_root(), "exec").arg(&container.name).words("cat");
        new.arg(format!("{absolute}/new")).run().success().stdout("evil");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), secret);
        fs::remove_file(&to).unwrap();
    }
}

#[test]
fn a_container_that_swaps_directories_for_links_is_neither_read_nor_written_outside_of_its_root() {
    let (outside, out, input) = (scratch(), scratch(), scratch());
    let secret = random_token();
    // The names that the container has, too.
    fs::create_dir(outside.path().join("sub")).unwrap();
    fs::write(outside.path().join("sub/f"), &secret).unwrap();
    fs::write(outside.path().join("f"), &secret).unwrap();
    fs::create_dir_all(input.path().join("race/sub")).unwrap();
    for number in 0..20 {
        fs::write(input.path().join(format!("race/sub/{number}")), "evil").unwrap();
    }
    let before = tree(outside.path());
    // Two directories and a link that take turns under three names, as fast as the shell can.
    let script = "mkdir -p /race/sub /other/sub; echo own > /race/sub/f; echo own > /race/f
        cp -r /race/. /other; ln -s $0 /link; ln -s $0/sub /link2
        while :; do
            mv -T /race /away 2>/dev/null; mv -T /link /race 2>/dev/null; mv -T /race /link 2>/dev/null
            mv -T /away /race 2>/dev/null; mv -T /race/sub /race/away; mv -T /link2 /race/sub
            mv -T /race/sub /link2; mv -T /race/away /race/sub
        done 2>/dev/null";
    let container = Background::run(shared_root(), "lab sleep 600");
    let racing = minidock(shared_root(), "exec -d").arg(&container.name).sh(script);
    racing.arg(outside.path()).run().success();
    wait_for("the race", || cp(&container, "@:/link2", "-").run().status().success().then_some(()));
    let end = Instant::now() + Duration::from_secs(4);
    let (mut copied, mut turns) = (0, 0);
    while Instant::now() < end {
        let to = out.path().join(turns.to_string());
        let read = match turns % 3 {
            0 => cp(&container, "@:/race", text(&to)).run(),
            1 => cp(&container, "@:/race/.", text(&to)).run(),
            _ => cp(&container, "@:/race/sub/f", text(&to)).run(),
        };
        copied += i32::from(read.status().success());
        let found = program("grep").words("-rq").arg(&secret).arg(out.path()).run();
        found.code(1);
        let source = text(&input.path().join("race/sub")).to_owned();
        let written = match turns % 3 {
            0 => cp(&container, &source, "@:/race").run(),
            1 => cp(&container, &format!("{source}/."), "@:/race/sub").run(),
            _ => cp(&container, text(&input.path().join("race")), "@:/").run(),
        };
        copied += i32::from(written.status().success());
        assert_eq!(tree(outside.path()), before);
        turns += 1;
    }
    assert!(copied > 0, "not one of {turns} copies was one");
}

#[test]
fn what_is_in_the_way_on_the_host_is_not_followed() {
    let (container, outside, dest) = (sleeper(), scratch(), scratch());
    let script = "mkdir -p /it/dir; echo new > /it/dir/f; echo new > /it/f; echo done > /done";
    minidock(shared_root(), "exec").arg(&container.name).sh(script).run().success();
    fs::write(outside.path().join("f"), "old").unwrap();
    let inside = dest.path().join("it");
    fs::create_dir(&inside).unwrap();
    symlink(outside.path().join("f"), inside.join("f")).unwrap();
    symlink(outside.path(), inside.join("dir")).unwrap();
    let refused = cp(&container, "@:/it", text(dest.path())).run();
    refused.code(1).stderr_contains("cannot overwrite non-directory ");
    fs::remove_file(inside.join("dir")).unwrap();
    cp(&container, "@:/it", text(dest.path())).run().success();
    // The link is replaced, and not what it leads to.
    assert_eq!(fs::read_to_string(inside.join("f")).unwrap(), "new\n");
    assert!(!fs::symlink_metadata(inside.join("f")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(outside.path().join("f")).unwrap(), "old");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_waited_for_that_a_container_can_withhold() {
    let (container, out) = (sleeper(), scratch());
    // A FIFO that nobody writes to, a file that grows for ever, and one that is almost all hole.
    let script =
        "mkdir /it; mkfifo /it/fifo; dd if=/dev/zero of=/it/huge bs=1 count=1 seek=8T 2>/dev/null
        echo end >> /it/huge; while :; do echo more; done > /it/grows";
    let huge = minidock(shared_root(), "exec -d").arg(&container.name).sh(script);
    huge.run().success();
    wait_for("it to grow", || {
        let size =
            minidock(shared_root(), "exec").arg(&container.name).words("wc -c /it/grows").run();
        let size = size.text();
        size.split_whitespace().next()?.parse::<u64>().ok().filter(|size| *size > 100_000)
    });
    let to = out.path().join("it");
    cp(&container, "@:/it/fifo", text(&out.path().join("fifo"))).run().success();
    cp(&container, "@:/it/grows", text(&out.path().join("grows"))).run().success();
    let end = cp(&container, "@:/it", text(&to)).patience(Duration::from_secs(30)).run();
    // A file system may have no room for so much as a name for it.
    if end.status().success() {
        let about = fs::metadata(to.join("huge")).unwrap();
        assert!(about.len() > 8 << 40 && about.blocks() < 1 << 16, "{about:?}");
    }
    assert!(fs::symlink_metadata(to.join("fifo")).is_ok_and(|about| about.file_type().is_fifo()));
    let grows = fs::read(out.path().join("grows")).unwrap();
    assert!(grows.len() > 100_000, "{}", grows.len());
    let other = grows.iter().zip("more\n".bytes().cycle()).position(|(got, said)| *got != said);
    assert_eq!(other, None, "of {} bytes: {:?}", grows.len(), &grows[other.unwrap_or(0)..][..9]);
}

#[test]
fn what_is_mounted_in_a_running_container_is_not_among_its_files() {
    let (container, out) = (sleeper(), scratch());
    let to = out.path().join("all");
    cp(&container, "@:/", text(&to)).run().success();
    for name in ["proc", "sys", "dev"] {
        assert_eq!(fs::read_dir(to.join(name)).unwrap().count(), 0, "{name}");
    }
    assert!(to.join("bin/sh").exists() && to.join("etc/passwd").exists());
    let archive = cp(&container, "@:/", "-").run();
    let names = program("tar").words("t").stdin(archive.success().bytes()).run().success().text();
    assert!(names.contains("\nproc/\n") && !names.contains("\nproc/1"), "{names}");
    // What is named is copied, as the container sees it.
    let script = "echo $0 > /dev/shm/f";
    let token = random_token();
    minidock(shared_root(), "exec").arg(&container.name).sh(script).arg(&token).run().success();
    cp(&container, "@:/dev/shm/f", text(&out.path().join("f"))).run().success();
    assert_eq!(fs::read_to_string(out.path().join("f")).unwrap(), format!("{token}\n"));
}
