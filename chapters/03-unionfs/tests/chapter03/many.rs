//! Many at once: a thousand containers, ten who want one name, and who looks, waits, starts and removes at the same time.

mod killed;
mod output;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use testkit::{cgroup, host, random_token, wait_for};

use crate::background::Background;
use crate::place::Place;
use crate::{ids, minidock, mountinfo, random};

/// Does this in so many threads, each of which is told its number.
fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let act = &act;
        let started: Vec<_> = (0..threads).map(|number| scope.spawn(move || act(number))).collect();
        started.into_iter().map(|thread| thread.join().expect("it has said why")).collect()
    })
}

/// Of `ps -a` the rows of this place: id, name and status.
fn rows(state: &Path) -> Vec<(String, String, String)> {
    let own: HashSet<String> = ids(state).into_iter().collect();
    let format = "{{.ID}} {{.Names}} {{.Status}}";
    let all = minidock(state, "ps -a --no-trunc --format").arg(format).run().success().text();
    let row = |line: &str| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    };
    all.lines().filter_map(row).filter(|(id, ..)| own.contains(id)).collect()
}

/// How many processes there are in each container.
fn populations() -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for id in host::processes().into_iter().filter_map(host::container_id) {
        *found.entry(id).or_default() += 1;
    }
    found
}

/// No file, no process, no group and no mount of containers that were called so, or had these ids.
#[track_caller]
fn assert_nothing_is_left(state: &Path, token: &str, made: &[String]) {
    assert_eq!(ids(state), [] as [String; 0]);
    for directory in ["names", "run"] {
        let left = fs::read_dir(state.join(directory)).into_iter().flatten();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{directory}: {left:?}");
    }
    // Whoever has said how it ended needs a moment to end.
    wait_for("their processes to be gone", || host::with_token(token).is_empty().then_some(()));
    let (made, populations): (HashSet<&str>, _) =
        (made.iter().map(String::as_str).collect(), populations());
    assert!(populations.keys().all(|id| !made.contains(&**id)), "{populations:?}");
    let groups = || {
        let is_ours = |name: &str| name.contains(token) || made.contains(name);
        let named = |group: &std::path::PathBuf| {
            group.file_name().and_then(|name| name.to_str()).is_some_and(is_ours)
        };
        cgroup::all().into_iter().filter(named).collect::<Vec<_>>()
    };
    // A keeper removes its group after the one that it watches has been killed.
    wait_for("their groups to be gone", || groups().is_empty().then_some(()));
    assert!(!mountinfo().contains(&state.display().to_string()));
}

#[test]
fn a_thousand_are_made_and_run_and_removed_and_nothing_is_left() {
    const ALL: usize = 1000;
    const THREADS: usize = 4;
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    let token = random_token();
    let name = |number: usize| format!("{token}-{number}");
    let share = |thread: usize| (thread..ALL).step_by(THREADS);
    let first = random(0, 100) as usize;
    // Each twentieth stays until it is stopped.
    let code = |number: usize| if number.is_multiple_of(20) { 137 } else { (first + number) % 120 };
    let made = at_once(THREADS, |thread| {
        let create = |number: usize| {
            let create = minidock(state, "create --name").arg(name(number)).words("lab /probe");
            let create = match number % 20 {
                0 => create.words("signals --stay"),
                _ => create.arg("exit").arg(code(number).to_string()),
            };
            (create.run().success().trimmed(), number)
        };
        share(thread).map(create).collect::<Vec<_>>()
    });
    let made: HashMap<String, usize> = made.into_iter().flatten().collect();
    let quiet = || {
        let listed = minidock(state, "ps -a -q --no-trunc").run().success().text();
        let own: Vec<String> = listed.lines().map(String::from).collect();
        own.into_iter().filter(|id| made.contains_key(id)).collect::<Vec<_>>()
    };
    let listed = quiet();
    assert_eq!((listed.len(), listed.iter().collect::<HashSet<_>>().len()), (ALL, ALL));
    assert!(rows(state).iter().all(|(_, _, status)| status == "Created"));

    at_once(THREADS, |thread| {
        let numbers: Vec<usize> = share(thread).collect();
        for some in numbers.chunks(25) {
            let names = || some.iter().map(|number| name(*number));
            let lines = names().map(|name| name + "\n").collect::<String>();
            minidock(state, "start").args(names()).run().success().stdout(&lines);
            let stay = some.iter().filter(|number| number.is_multiple_of(20));
            minidock(state, "stop -t 0 nobody").args(stay.map(|number| name(*number))).run();
            let codes = some.iter().map(|number| format!("{}\n", code(*number)));
            let waited = minidock(state, "wait").args(names()).run();
            waited.success().stdout(&codes.collect::<String>());
        }
    });
    assert_eq!(quiet().len(), ALL);
    let rows = rows(state);
    assert_eq!(rows.len(), ALL);
    for (id, called, status) in rows {
        let number = made[&id];
        let expected = format!("Exited ({}) ", code(number));
        assert!(called == name(number) && status.starts_with(&expected), "{called}: {status}");
    }

    at_once(THREADS, |thread| {
        let removed = minidock(state, "rm").args(share(thread).map(name)).run();
        removed
            .success()
            .stdout(&share(thread).map(|number| name(number) + "\n").collect::<String>());
    });
    assert_nothing_is_left(state, &token, &made.into_keys().collect::<Vec<_>>());
}

#[test]
fn fifty_are_started_at_once_and_each_has_a_name_of_its_own() {
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    let token = random_token();
    // By nobody called anything: names are found for them.
    let start = |_| minidock(state, "run -d -l").arg(&token).words("lab sleep 600").spawn();
    let started: Vec<_> = (0..50).map(start).collect();
    let made: Vec<String> = started.into_iter().map(|run| run.wait().success().trimmed()).collect();
    let (rows, populations) = (rows(state), populations());
    let all = |column: fn(&(String, String, String)) -> &String| {
        rows.iter().map(|row| column(row).clone()).collect::<HashSet<_>>()
    };
    assert_eq!(all(|row| &row.0), made.iter().cloned().collect());
    assert_eq!((rows.len(), all(|row| &row.1).len()), (50, 50), "{rows:?}");
    assert!(rows.iter().all(|(_, _, status)| status.starts_with("Up ")), "{rows:?}");
    assert!(made.iter().all(|id| populations[id] == 1), "{populations:?}");
    minidock(state, "rm -f").args(all(|row| &row.1)).run().success();
    assert_nothing_is_left(state, &token, &made);
}

#[test]
fn a_name_that_ten_ask_for_at_once_goes_to_one() {
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    for command in ["create", "run -d", "rename"] {
        let (token, wanted) = (random_token(), format!("n{}", random_token()));
        let own = |number: usize| format!("{token}-{number}");
        if command == "rename" {
            for number in 0..10 {
                minidock(state, "create --name").arg(own(number)).words("lab true").run().success();
            }
        }
        let ask = |number: usize| match command {
            "rename" => minidock(state, "rename").args([&own(number), &wanted]).spawn(),
            _ => minidock(state, command).args(["--name", &wanted]).words("lab sleep 600").spawn(),
        };
        let asked: Vec<_> = (0..10).map(ask).collect();
        let ended: Vec<_> = asked.into_iter().map(|run| run.wait()).collect();
        let lost = ended.iter().filter(|end| !end.status().success());
        let lost: Vec<_> = lost.inspect(|end| _ = end.stderr_contains("already in use")).collect();
        assert_eq!(lost.len(), 9, "{command}");
        let mut names: Vec<String> = rows(state).into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(names.iter().filter(|name| **name == wanted).count(), 1, "{names:?}");
        // Who was refused is still called as before, or was never made.
        let others = names.iter().filter(|name| name.starts_with(&token)).count();
        assert_eq!((names.len(), others), if command == "rename" { (10, 9) } else { (1, 0) });
        names.sort();
        minidock(state, "rm -f").args(&names).run().success();
        assert_nothing_is_left(state, &token, &[]);
    }
}

#[test]
fn one_that_is_given_ten_names_at_once_has_one_and_the_others_are_free() {
    let place = Place::new();
    let state = place.path();
    let made = Background::create(state, "lab true");
    let names: Vec<String> = (0..10).map(|_| format!("n{}", random_token())).collect();
    let rename = |name: &String| minidock(state, "rename").args([&made.id, name]).spawn();
    let asked: Vec<_> = names.iter().map(rename).collect();
    asked.into_iter().for_each(|run| _ = run.wait().success());
    let rows = rows(state);
    assert!(rows.len() == 1 && names.contains(&rows[0].1), "{rows:?}");
    for name in names.iter().filter(|name| **name != rows[0].1) {
        let other = minidock(state, "create --name").arg(name).words("lab true").run();
        assert_ne!(other.success().trimmed(), made.id);
    }
    minidock(state, "start").arg(&rows[0].1).run().success();
}

#[test]
fn one_that_is_about_to_run_is_stopped_and_removed_like_one_that_runs() {
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    let token = random_token();
    let made = at_once(4, |thread| {
        let happen = |round: usize| {
            let name = format!("{token}-{thread}-{round}");
            let create = minidock(state, "create --name").arg(&name).words("lab sleep 600");
            let id = create.run().success().trimmed();
            let start = minidock(state, "start").arg(&name).spawn();
            thread::sleep(Duration::from_micros(random(0, 20_000)));
            match round % 3 {
                0 => _ = minidock(state, "rm -f").arg(&name).run().success(),
                1 => _ = minidock(state, "stop -t 0").arg(&name).run().success(),
                // One that does not run yet is not killed, and that is said.
                _ => _ = minidock(state, "kill").arg(&name).run(),
            }
            start.wait();
            minidock(state, "rm -f").arg(&name).run().success();
            id
        };
        (0..15).map(happen).collect::<Vec<_>>()
    });
    assert_nothing_is_left(state, &token, &made.concat());
}

#[test]
fn who_only_looks_is_not_taken_for_who_runs_it() {
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    let name = format!("n{}", random_token());
    let script = "while :; do \"$@\"; done";
    let look = || minidock(state, "inspect --type container").arg(&name).within(script);
    // There is not always one. They end with the test.
    let _looking: Vec<_> = (0..3).map(|_| look().spawn()).collect();
    for _ in 0..30 {
        let of = |command: &str| minidock(state, command).arg(&name);
        of("create --name").words("lab /probe true").run().success();
        of("inspect -f {{.State.Status}}").run().success().stdout("created\n");
        of("start").run().success();
        of("wait").run().success().stdout("0\n");
        of("rm").run().success();
    }
}

#[test]
fn who_waits_for_one_that_is_killed_and_removed_is_told() {
    let place = Place::new();
    let state = place.path();
    for _ in 0..5 {
        let container = Background::run(state, "lab sleep 600");
        let wait = minidock(state, "wait").arg(&container.name).spawn();
        // Who comes when it is gone finds none, and says so.
        thread::sleep(Duration::from_millis(300));
        minidock(state, "rm -f").arg(&container.name).run().success();
        let waited = wait.wait();
        match waited.status().success() {
            true => waited.stdout("137\n"),
            false => waited.code(1).stderr_contains("No such container"),
        };
    }
}
