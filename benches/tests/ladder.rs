//! The built program: it refuses what would be no measurement, and a quick one is whole.

use benches::ladder::RUNGS;
use benches::life;
use benches::participant::Until;
use benches::resident::Memory;
use benches::results::{Kind, Outcome, Results, Row};
use benches::shares::{CASES, Share};
use benches::workload::WORKS;
use benches::writes::FILES;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use vm::linux::Linux;
use vm::machine::{Machine, QEMU};

const LADDER: &str = env!("CARGO_BIN_EXE_ladder");
const NEEDS_ROOT: &str = "without root, the ladder measures nothing";

/// Runs it with results in a directory of the test's own.
fn ladder(output: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(LADDER);
    command.args(words).arg("--output").arg(output).env("MINIDOCK_BIN_01", testkit::binary(1));
    command.output().expect("the ladder can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_quick_measurement_is_whole() {
    if !testkit::root_or_skip(NEEDS_ROOT) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let done = ladder(directory.path(), &["--quick", "--rounds", "3", "--busy-ok"]);
    let (shown, progress) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{shown}{progress}");
    assert!(progress.contains("bench: round 3 of 3\n"), "{progress}");

    let file = directory.path().join("results.json");
    let results = Results::read(&file).unwrap();
    let json = std::fs::read_to_string(&file).unwrap();
    assert!(!json.contains(directory.path().to_str().unwrap()), "a place of this machine: {json}");
    assert_eq!(results.row("minidock-01").unwrap().command, "minidock-01 run root /bin/true");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!((results.rounds, results.machine.kernel.as_str()), (3, kernel.trim()));
    assert!(results.machine.cores > 0 && results.versions.contains_key("minidock-01"));
    for rung in RUNGS {
        let row = results.row(rung.name()).unwrap_or_else(|| panic!("{}", rung.name()));
        assert!(row.times().is_none_or(|times| times.count == rung.runs(3)), "{row:?}");
    }
    assert!(results.row("minidock-01").and_then(Row::times).is_some());
    for (work, name) in WORKS.iter().flat_map(|work| work.names().map(|name| (work, name))) {
        let row = results.row(name).unwrap_or_else(|| panic!("{name}"));
        assert!(row.times().is_none_or(|times| times.count == 1), "{row:?}");
        assert_eq!(row.compared_with.as_deref(), Some(work.names()[1]));
    }
    for (file, name) in FILES.iter().flat_map(|file| file.rows().map(|name| (file, name))) {
        let row = results.row(name).unwrap_or_else(|| panic!("{name}"));
        assert!(row.times().is_none_or(|times| times.count == 1), "{row:?}");
        assert_eq!(row.compared_with.as_deref(), Some(file.rows()[0]));
    }
    for name in life::names() {
        let row = results.row(&name).unwrap_or_else(|| panic!("{name}"));
        assert!(row.times().is_none_or(|times| times.count == 1), "{row:?}");
    }
    assert_eq!(results.memory.len(), 2);
    let page = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    for row in &results.rows {
        match &row.outcome {
            Outcome::Measured(times) => {
                let ranks = [1, times.min, times.median, times.p95];
                assert!(ranks.is_sorted(), "{row:?}");
            }
            Outcome::NotMeasured { not_measured } => assert!(!not_measured.is_empty(), "{row:?}"),
        }
        assert!(!row.command.is_empty() && !row.measures.is_empty(), "{row:?}");
        assert!(page.contains(&format!("<th scope=\"row\">{}", row.name)), "{}", row.name);
        assert!(shown.contains(&row.name), "{}: {shown}", row.name);
    }
    for (share, case) in results.shares.iter().zip(CASES) {
        assert_eq!((share.name.as_str(), share.limit), (case.0, case.2));
        assert!(page.contains(&share.name) && shown.contains(&share.name), "{share:?}");
        // What it yields is a measurement and no test; that the kernel has counted at all is one.
        assert!(share.measured().is_none_or(|shared| shared.count == 1 && shared.max > 0));
    }
    assert_eq!(results.shares.len(), CASES.len());
    assert_eq!(page.contains("Warning"), results.warning.is_some());

    let guests = |until| {
        let rows = results.rows.iter().filter(move |row| row.until == until);
        rows.filter(|row| row.name.starts_with("qemu ")).filter_map(Row::times)
    };
    if testkit::peer(QEMU, "apt install qemu-system-x86").is_some()
        && let Ok(linux) = Linux::find()
    {
        assert_eq!(guests(Until::FirstByte).count(), Machine::ALL.len());
        let pairs = guests(Until::FirstByte).zip(guests(Until::Exit));
        assert!(
            pairs.clone().count() > 0 && pairs.clone().all(|(byte, exit)| byte.min <= exit.min)
        );
        assert!(results.rows.iter().any(|row| row.guest_kernel.as_ref() == Some(&linux.version)));
    }

    // From the results alone the same report is made again.
    std::fs::remove_file(directory.path().join("report.html")).unwrap();
    let again = ladder(directory.path(), &["--report"]);
    assert!(again.status.success() && text(&again.stdout) == shown, "{}", text(&again.stderr));
    assert_eq!(std::fs::read_to_string(directory.path().join("report.html")).unwrap(), page);
}

#[test]
fn limits_are_measured_alone_and_by_what_the_kernel_counts() {
    if !testkit::root_or_skip(NEEDS_ROOT) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let done = ladder(directory.path(), &["--limits", "--quick", "--rounds", "1", "--busy-ok"]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let results = Results::read(&directory.path().join("results.json")).unwrap();
    assert!(results.rows.iter().all(|row| row.kind == Kind::Workload), "{results:?}");
    for row in &results.rows {
        assert!(row.times().is_none_or(|times| times.min > 0), "{row:?}");
        let limited = row.command.contains("-m 1g --cpus ");
        assert_eq!(limited, row.name.ends_with(": limits") && row.times().is_some(), "{row:?}");
    }
    // Where a group can be made, processes that never rest are throttled again and again.
    for shared in results.shares.iter().filter_map(Share::measured) {
        assert!(shared.throttled > 0 && shared.throttled <= shared.periods, "{shared:?}");
    }
    let measured = results.shares.iter().filter(|share| share.measured().is_some()).count();
    let worked = results.rows.iter().all(|row| row.times().is_some());
    assert_eq!(measured > 0, worked, "{results:?}");
}

#[test]
fn first_writes_are_measured_alone_and_leave_no_trace_on_the_host() {
    if !testkit::root_or_skip(NEEDS_ROOT) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let done = ladder(directory.path(), &["--writes", "--quick", "--rounds", "1", "--busy-ok"]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert_eq!(mounts(), before);
    // All that was made lay on a tmpfs that nobody else has seen.
    assert_eq!(std::fs::read_dir(directory.path().join("ground")).unwrap().count(), 0);
    let results = Results::read(&directory.path().join("results.json")).unwrap();
    assert_eq!(results.rows.len(), FILES.len() * 2);
    assert!(results.shares.is_empty(), "{results:?}");
    let measured = results.rows.iter().filter(|row| row.times().is_some()).count();
    assert!(measured == 0 || measured == results.rows.len(), "{results:?}");
    for row in results.rows.iter().filter(|_| measured > 0) {
        assert_eq!((row.kind, row.until), (Kind::Write, Until::Told), "{row:?}");
        let inside = row.command.starts_with("minidock-03 ");
        assert_eq!(inside, row.name.ends_with(": lower layer"), "{row:?}");
    }
}

#[test]
fn a_life_is_measured_alone_and_nobody_lives_on() {
    if !testkit::root_or_skip(NEEDS_ROOT) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let done = ladder(directory.path(), &["--life", "--quick", "--rounds", "9", "--busy-ok"]);
    let shown = text(&done.stdout);
    assert!(done.status.success(), "{shown}{}", text(&done.stderr));
    // Shims have the command line that started them, with the store in it.
    let place = directory.path().to_str().unwrap();
    assert_eq!(testkit::host::with_token(place), [] as [i32; 0]);
    assert_eq!(std::fs::read_dir(directory.path().join("ground")).unwrap().count(), 0);
    let results = Results::read(&directory.path().join("results.json")).unwrap();
    assert!(results.rows.iter().map(|row| row.name.clone()).eq(life::names()), "{results:?}");
    assert!(results.shares.is_empty(), "{results:?}");
    if results.rows.iter().all(|row| row.times().is_none()) {
        assert!(results.memory.iter().all(|memory| memory.measured().is_none()), "{results:?}");
        return;
    }
    for row in &results.rows {
        assert_eq!((row.kind, row.times().map(|times| times.count)), (Kind::Life, Some(2)));
        assert!(row.command.starts_with("minidock-03 --root life-"), "{row:?}");
    }
    for resident in results.memory.iter().filter_map(Memory::measured) {
        assert!([1, 100].contains(&resident.count), "{resident:?}");
        let kept = [1, resident.anonymous, resident.resident];
        assert!(kept.is_sorted() && resident.proportional <= resident.resident, "{resident:?}");
    }
    let bars = [life::PS, life::EXEC].map(|name| results.row(name).is_some());
    assert_eq!((bars, shown.matches("minidock-03: ").count()), ([true, true], 3), "{shown}");
}

#[test]
fn a_busy_machine_is_refused() {
    if !testkit::root_or_skip(NEEDS_ROOT) {
        return;
    }
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let all = stat.lines().filter(|line| line.starts_with("cpu")).count() - 1;
    let ours = thread::available_parallelism().unwrap().get();
    if ours * 4 < all {
        testkit::skip("these processors alone cannot make the machine busy", "use more of them");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let enough = AtomicBool::new(false);
    let refused = thread::scope(|scope| {
        for _ in 0..ours {
            scope.spawn(|| {
                while !enough.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let refused = ladder(directory.path(), &["--quick"]);
        enough.store(true, Relaxed);
        refused
    });
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("bench: the machine was not idle"), "{said}");
    assert!(said.contains("try: ") && said.contains("--busy-ok"), "{said}");
    assert!(!directory.path().join("results.json").exists());
}

#[test]
fn an_ordinary_user_is_told_the_command_that_works() {
    if !testkit::root_or_skip("the tests' own account is an ordinary one") {
        return;
    }
    // The program lies where others may not look.
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("ladder");
    std::fs::copy(LADDER, &program).unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = Command::new(&program);
    command.args(["--quick", "--output"]).arg(directory.path().join("out"));
    command.env("MINIDOCK_BIN_01", "/a b/minidock-01").current_dir("/");
    let refused = command.uid(65534).gid(65534).output().unwrap();
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("these numbers need root"), "{said}");
    let remedy = "try: sudo env MINIDOCK_BIN_01='/a b/minidock-01' ";
    assert!(said.contains(remedy) && said.contains("--quick"), "{said}");
}

#[test]
fn only_whole_measurements_of_a_plain_name_are_kept() {
    for words in [&["--save", "x", "--busy-ok"], &["--save", "x", "--quick"]] {
        let refused = Command::new(LADDER).args(words).output();
        // An ordinary user may not look where root has built it.
        let Ok(refused) = refused else {
            assert!(!testkit::root_or_skip("the ladder lies where this account cannot look"));
            return;
        };
        assert!(text(&refused.stderr).contains("cannot be used with"), "{refused:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().to_str().unwrap();
    let refused =
        Command::new(LADDER).args(["--save", "../x", "--output", output]).output().unwrap();
    assert!(text(&refused.stderr).contains("small letters, digits and hyphens"), "{refused:?}");
}
