//! `ps`: containers in Docker's words, running or not.

use std::fs;

use serde_json::Value;
use testkit::{RootDir, host, is_root, random_token, wait_for};

use crate::place::Place;
use crate::{minidock, random};

fn is_between(text: &Value, begin: &str, end: &str) -> bool {
    let text = text.as_str().unwrap();
    text.starts_with(begin) && text.ends_with(end)
}

#[test]
fn what_a_container_is_doing_is_said_as_docker_says_it() {
    let place = Place::new();
    let [made, runs, ended, again] = [(); 4].map(|()| random_token());
    let code = random(1, 100);
    place.make(&format!("create --name {made}"), "exit 0");
    place.make(&format!("run -d --name {runs}"), "exec sleep 600");
    let run = minidock(place.path(), "run --name").arg(&ended).arg("lab");
    run.sh(&format!("exit {code}")).run().code(code as i32);
    place.make(&format!("run -d --restart always --name {again}"), &format!("exit {code}"));
    let of = |name: &str, key: &str| place.row(name)[key].clone();
    assert_eq!((of(&made, "State"), of(&made, "Status")), ("created".into(), "Created".into()));
    assert_eq!(of(&runs, "State"), "running");
    let up = of(&runs, "Status");
    assert!(is_between(&up, "Up ", ""), "{up}");
    assert_eq!(of(&ended, "State"), "exited");
    let status = of(&ended, "Status");
    assert!(is_between(&status, &format!("Exited ({code}) "), " ago"), "{status}");
    let status = wait_for("a pause between two runs", || {
        let row = place.row(&again);
        (row["State"] == "restarting").then(|| row["Status"].clone())
    });
    assert!(is_between(&status, &format!("Restarting ({code}) "), " ago"), "{status}");
    // Those that do not run are asked for; the youngest comes first.
    assert_eq!(place.names(""), [&*again, &runs]);
    assert_eq!(place.names("-a"), [&*again, &ended, &runs, &made]);
    // As users of earlier chapters know it.
    let pid = of(&runs, "PID").as_i64().unwrap() as i32;
    assert_eq!(host::container_id(pid), Some(of(&runs, "ID").as_str().unwrap().into()));
    assert_eq!(of(&ended, "PID"), 0);
    minidock(place.path(), "stop -t 0").arg(&again).run().success();
    assert_eq!(of(&again, "State"), "exited");
}

#[test]
fn one_in_the_foreground_runs_from_its_start_to_its_end() {
    let place = Place::new();
    for options in ["--rm", ""] {
        let name = random_token();
        let run = minidock(place.path(), "run -i --name").arg(&name).words(options);
        let mut run = run.words("lab sh -c").arg("echo begun; read line").open_stdin().spawn();
        run.wait_for_line("begun");
        let row = place.row(&name);
        assert_eq!((&row["State"], &row["PID"]), (&"running".into(), &run.container_pid().into()));
        // It has another name, and its group has not.
        let renamed = random_token();
        minidock(place.path(), "rename").arg(&name).arg(&renamed).run().success();
        assert_eq!(place.row(&renamed)["PID"], row["PID"]);
        let state = place.inspect(&renamed)["State"].clone();
        assert_eq!((&state["Pid"], &state["Running"]), (&row["PID"], &true.into()));
        assert!(state["StartedAt"].as_str().unwrap() > "2020", "{state}");
        run.close_stdin();
        run.wait().code(1);
        assert_eq!(place.names("").len(), 0);
    }
}

#[test]
fn the_last_ones_are_listed_running_or_not() {
    let place = Place::new();
    let names: Vec<String> = (0..4).map(|_| random_token()).collect();
    for name in &names {
        place.make(&format!("create --name {name}"), "exit 0");
    }
    // Of all on this machine none is younger, unless somebody starts one at this moment.
    let newest = |words: &str| {
        wait_for(words, || {
            let listed = place.names(words);
            (!listed.is_empty()).then_some(listed)
        })
    };
    assert_eq!(newest("-l"), names[3..]);
    let several = format!("-n 3 -f name={} -f name={}", names[1], names[0]);
    assert_eq!(place.names(&several), [&*names[1], &names[0]]);
    assert_eq!(
        place.names(&format!("-n 1 -f name={} -f name={}", names[1], names[0])),
        names[1..2]
    );
    assert_eq!(place.names("-a -n -1"), [&*names[3], &names[2], &names[1], &names[0]]);
    let quiet = minidock(place.path(), "ps -aq -f").arg(format!("name={}", names[2])).run();
    let id = place.row(&names[2])["ID"].as_str().unwrap()[..12].to_owned();
    quiet.success().stdout(&format!("{id}\n"));
}

#[test]
fn a_filter_lets_those_through_that_fit() {
    let place = Place::new();
    let (prefix, value) = (random_token(), random_token());
    let names: Vec<String> = ["a", "b", "c"].map(|end| format!("{prefix}-{end}")).into();
    let image = RootDir::new().file("some", random_token());
    minidock(place.path(), "import").arg(image.path()).arg(&prefix).run().success();
    place.make(&format!("create -l k={value} -l other --name {}", names[0]), "exit 0");
    minidock(place.path(), "create --name").args([&names[1], &prefix, "/probe"]).run().success();
    let code = random(1, 100);
    let run = minidock(place.path(), "run -l k --name").arg(&names[2]).arg("lab");
    run.sh(&format!("exit {code}")).run().code(code as i32);
    let id = place.row(&names[1])["ID"].as_str().unwrap()[..20].to_owned();
    let [a, b, c] = [&*names[0], &*names[1], &*names[2]];
    for (filters, expected) in [
        (format!("-f name={prefix}"), vec![c, b, a]),
        (format!("-f name=^/{a}$"), vec![a]),
        (format!("-f name=^{}$", &a[1..]), vec![]),
        (format!("-f name={a} -f name={c}"), vec![c, a]),
        (format!("-f name={a} -f label=nothing"), vec![]),
        (format!("--filter id={id}"), vec![b]),
        (format!("-f label=k -f name={prefix}"), vec![c, a]),
        (format!("-f label=k={value}"), vec![a]),
        (format!("-f label=k={value} -f label=other="), vec![a]),
        (format!("-f label=k={value} -f label=none"), vec![]),
        (format!("-f status=created -f name={prefix}"), vec![b, a]),
        (format!("-f status=created -f status=exited -f name={prefix}"), vec![c, b, a]),
        (format!("-f exited={code} -f name={prefix}"), vec![c]),
        (format!("-f exited=0 -f name={prefix}"), vec![]),
        (format!("-f ancestor={prefix}"), vec![b]),
        (format!("-f ancestor=lab -f name={prefix}"), vec![c, a]),
        (format!("-f ancestor={}", random_token()), vec![]),
        (format!("-f before={c} -f name={prefix}"), vec![b, a]),
        (format!("-f since={id} -f name={prefix}"), vec![c]),
        (format!("-f since={a} -f before={c}"), vec![b]),
    ] {
        assert_eq!(place.names(&format!("-a {filters}")), expected, "{filters}");
    }
    // Whoever asks for a state asks for those that do not run.
    assert_eq!(place.names(&format!("-f status=exited -f name={prefix}")), [c]);
    assert_eq!(place.names(&format!("-f exited={code}")), [] as [&str; 0]);
    for (filter, code, words) in [
        ("foo=bar", 1, "invalid filter 'foo'"),
        ("status=stopped", 1, "invalid filter 'status=stopped': invalid value for state (stopped)"),
        ("exited=x", 1, "invalid filter 'exited=x'"),
        ("before=nosuch", 1, "No such container: nosuch"),
        ("foo", 125, "bad format of filter (expected name=value)"),
    ] {
        let refused = minidock(place.path(), "ps -f").arg(filter).run();
        refused.code(code).stdout("").stderr_contains(words).stderr_contains("\n  try: ");
    }
}

#[test]
fn a_container_lies_on_the_image_that_its_image_was_made_of() {
    let place = Place::new();
    let [base, more, name, on_more] = [(); 4].map(|()| random_token());
    place.image(&base);
    let run = minidock(place.path(), "run --name").args([&name, &base]);
    run.sh("echo x > /new").run().success();
    minidock(place.path(), "commit").args([&name, &more]).run().success();
    minidock(place.path(), "create --name").args([&on_more, &more]).sh("exit 0").run().success();
    let under = |image: &str| place.names(&format!("-a -f ancestor={image}"));
    assert_eq!(under(&base), [&*on_more, &name]);
    assert_eq!(under(&more), [&*on_more]);
    // Another one with the same layers is nobody's ancestor.
    let twin = random_token();
    let commit = minidock(place.path(), "commit -c").arg(format!("ENV A={twin}"));
    commit.args([&name, &twin]).run().success();
    assert_eq!(under(&twin), [] as [&str; 0]);
}

#[test]
fn the_size_is_what_it_has_written() {
    let place = Place::new();
    let (image, content) = (random_token(), random_token().repeat(random(100, 90) as usize));
    place.image(&image);
    for driver in ["overlay", "copy"] {
        let name = random_token();
        let create = minidock(place.path(), "create --storage-driver").args([driver, "--name"]);
        let create = create.args([&name, &image]);
        // A file with two names is one; and what is gone is nothing.
        let script = format!("echo -n {content} > /new; ln /new /again; rm -r /home");
        create.sh(&script).run().success();
        let size = || place.ps(&format!("-as -f name={name}"))[0]["Size"].clone();
        assert!(is_between(&size(), "0B (virtual ", ")"), "{}", size());
        minidock(place.path(), "start -a").arg(&name).run().success();
        let length = content.len() as f64;
        let number = format!("{:.2}", length / 1000.0);
        let number = number.trim_end_matches('0').trim_end_matches('.');
        assert!(is_between(&size(), &format!("{number}kB (virtual "), "B)"), "{}", size());
        let sizes = minidock(place.path(), "inspect -s -f").arg("{{.SizeRw}} {{.SizeRootFs}}");
        let sizes = sizes.arg(&name).run().success().text();
        let sizes: Vec<u64> = sizes.split_whitespace().map(|size| size.parse().unwrap()).collect();
        assert_eq!(sizes[0], content.len() as u64, "{driver}");
        // The image has a shell.
        assert!(sizes[1] > sizes[0] + 100_000, "{sizes:?}");
    }
    // A table has the column if it is asked for.
    for (options, has) in [("-a", false), ("-as", true)] {
        let table = minidock(place.path(), "ps").arg(options).run().success().text();
        assert_eq!(table.lines().next().unwrap().contains("SIZE"), has, "{table}");
    }
}

#[test]
fn what_is_yet_to_be_started_is_not_swept_with_what_was_killed() {
    let place = Place::new();
    let [made, killed] = [(); 2].map(|()| random_token());
    place.make(&format!("create --rm --name {made}"), "exit 5");
    let run = minidock(place.path(), "run --rm --name").arg(&killed).words("lab sleep 600").spawn();
    let pid = run.container_pid();
    run.signal(nix::sys::signal::Signal::SIGKILL);
    run.wait().killed_by(9);
    wait_for("its end", || (!host::is_alive(pid)).then_some(()));
    // Without being root, nobody can remove it but in the lab box.
    let left = place.ps("-a");
    let states: Vec<&Value> = left.iter().map(|row| &row["State"]).collect();
    match is_root() {
        true => assert_eq!(states, ["created"]),
        false => assert_eq!(states, ["exited", "created"]),
    }
    let taken = minidock(place.path(), "create --name").arg(&made).words("lab true").run();
    taken.code(1).stderr_contains("Conflict. The container name");
    minidock(place.path(), "start -a").arg(&made).run().code(5);
    wait_for("its removal", || place.names(&format!("-af name={made}")).is_empty().then_some(()));
}

#[test]
fn a_damaged_record_is_named_and_the_others_are_listed() {
    let place = Place::new();
    let [one, two, three] = [(); 3].map(|()| random_token());
    let ids =
        [&one, &two, &three].map(|name| place.make(&format!("create --name {name}"), "exit 0"));
    let file = |id: &str, name: &str| place.path().join("containers").join(id).join(name);
    fs::write(file(&ids[0], "config.json"), "{").unwrap();
    fs::write(file(&ids[1], "state.json"), "[").unwrap();
    let listed =
        minidock(place.path(), "ps -a --format {{.Names}} -f").arg(format!("name={three}"));
    let listed = listed.run();
    listed.success().stdout(&format!("{three}\n"));
    listed.stderr_contains(&format!("{} is damaged", file(&ids[0], "config.json").display()));
    listed.stderr_contains(&format!("{} is damaged", file(&ids[1], "state.json").display()));
}
