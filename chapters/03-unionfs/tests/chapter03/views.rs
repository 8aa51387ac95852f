//! `ps` and `inspect`: containers in Docker's words, running or not; and `stats`, `top`, `pause`, `update` of containers
//! that go by a name which their groups do not have.

use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::{RootDir, cgroup, host, is_root, random_token, root_or_skip, wait_for};

use crate::place::Place;
use crate::{ids, minidock, random};

const MIB: u64 = 1 << 20;

impl Place {
    /// `create` or `run -d`, and what follows; returns the id.
    #[track_caller]
    fn make(&self, words: &str, script: &str) -> String {
        minidock(self.path(), words).arg("lab").sh(script).run().success().trimmed()
    }

    /// An image of what is in the lab.
    #[track_caller]
    fn image(&self, name: &str) {
        let (container, archive) = (random_token(), self.path().join("archive"));
        self.make(&format!("create --name {container}"), "exit 0");
        minidock(self.path(), "export -o").arg(&archive).arg(&container).run().success();
        minidock(self.path(), "import").arg(&archive).arg(name).run().success();
        minidock(self.path(), "rm").arg(&container).run().success();
    }

    fn ids(&self) -> Vec<String> {
        ids(self.path())
    }

    /// The rows of `ps`, without those of containers that run beside them.
    #[track_caller]
    fn ps(&self, words: &str) -> Vec<Value> {
        let ids = self.ids();
        let listed = minidock(self.path(), "ps --no-trunc --format json").words(words).run();
        let text = listed.success().text();
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter(|row| ids.iter().any(|id| row["ID"] == **id)).collect()
    }

    #[track_caller]
    fn names(&self, words: &str) -> Vec<String> {
        self.ps(words).iter().map(|row| row["Names"].as_str().unwrap().into()).collect()
    }

    #[track_caller]
    fn row(&self, name: &str) -> Value {
        let mut rows = self.ps("-a").into_iter();
        rows.find(|row| row["Names"] == name).unwrap_or_else(|| panic!("no row of {name}"))
    }

    #[track_caller]
    fn inspect(&self, name: &str) -> Value {
        let text = minidock(self.path(), "inspect -f json").arg(name).run().success().text();
        serde_json::from_str(&text).unwrap()
    }
}

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
fn a_container_is_inspected_in_dockers_shape() {
    let place = Place::new();
    let (name, value) = (random_token(), random_token());
    let (memory, seconds) = (random(20, 100), random(11, 500));
    let options = format!(
        "--name {name} -h host{} -m {memory}m --cpus 0.25 -c 512 --pids-limit 33 --cpuset-cpus 0 \
         --oom-score-adj 7 --ulimit nofile=10:{seconds} --restart on-failure:3 --read-only -w /tmp \
         -u 12:34 -e A={value} -l {name}={value} --stop-signal USR1 --stop-timeout {seconds} --init \
         --ipc host --log-opt max-size=5k --log-opt max-file=2 -i",
        &value[..4],
    );
    let id = place.make(&format!("create {options}"), "exit 0");
    let all = minidock(place.path(), "inspect").arg(&name).run().success().text();
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    let [view] = &all[..] else { panic!("{all:?}") };
    let at = |path: &str| view.pointer(path).unwrap_or_else(|| panic!("{path} in {view}")).clone();
    let never = "0001-01-01T00:00:00Z";
    for (path, expected) in [
        ("/Id", id.clone().into()),
        ("/Path", "/bin/sh".into()),
        ("/Args", vec!["-c", "exit 0"].into()),
        ("/Name", format!("/{name}").into()),
        ("/RestartCount", 0.into()),
        ("/Driver", "overlay".into()),
        ("/Image", "".into()),
        ("/State/Status", "created".into()),
        ("/State/Running", false.into()),
        ("/State/Paused", false.into()),
        ("/State/Restarting", false.into()),
        ("/State/OOMKilled", false.into()),
        ("/State/Dead", false.into()),
        ("/State/Pid", 0.into()),
        ("/State/ExitCode", 0.into()),
        ("/State/Error", "".into()),
        ("/State/StartedAt", never.into()),
        ("/State/FinishedAt", never.into()),
        ("/HostConfig/RestartPolicy/Name", "on-failure".into()),
        ("/HostConfig/RestartPolicy/MaximumRetryCount", 3.into()),
        ("/HostConfig/AutoRemove", false.into()),
        ("/HostConfig/NetworkMode", "none".into()),
        ("/HostConfig/PidMode", "".into()),
        ("/HostConfig/IpcMode", "host".into()),
        ("/HostConfig/UTSMode", "".into()),
        ("/HostConfig/ReadonlyRootfs", true.into()),
        ("/HostConfig/Memory", (memory * MIB).into()),
        ("/HostConfig/MemorySwap", (2 * memory * MIB).into()),
        ("/HostConfig/MemoryReservation", 0.into()),
        ("/HostConfig/NanoCpus", 250_000_000.into()),
        ("/HostConfig/CpuShares", 512.into()),
        ("/HostConfig/CpusetCpus", "0".into()),
        ("/HostConfig/CpusetMems", "".into()),
        ("/HostConfig/PidsLimit", 33.into()),
        ("/HostConfig/OomScoreAdj", 7.into()),
        ("/HostConfig/Ulimits/0/Name", "nofile".into()),
        ("/HostConfig/Ulimits/0/Soft", 10.into()),
        ("/HostConfig/Ulimits/0/Hard", seconds.into()),
        ("/HostConfig/LogConfig/Type", "json-file".into()),
        ("/HostConfig/LogConfig/Config/max-size", "5120".into()),
        ("/HostConfig/LogConfig/Config/max-file", "2".into()),
        ("/HostConfig/Init", true.into()),
        ("/GraphDriver/Name", "overlay".into()),
        ("/Config/Hostname", format!("host{}", &value[..4]).into()),
        ("/Config/User", "12:34".into()),
        ("/Config/Tty", false.into()),
        ("/Config/OpenStdin", true.into()),
        ("/Config/StdinOnce", true.into()),
        ("/Config/Cmd", vec!["/bin/sh", "-c", "exit 0"].into()),
        ("/Config/Image", "lab".into()),
        ("/Config/WorkingDir", "/tmp".into()),
        ("/Config/Entrypoint", Value::Null),
        (&format!("/Config/Labels/{name}"), value.clone().into()),
        ("/Config/StopSignal", "USR1".into()),
        ("/Config/StopTimeout", seconds.into()),
    ] {
        assert_eq!(at(path), expected, "{path}");
    }
    assert!(at("/Config/Env").as_array().unwrap().contains(&format!("A={value}").into()));
    let own = place.path().join("containers").join(&id);
    for (key, name) in [("UpperDir", "upper"), ("WorkDir", "work")] {
        assert_eq!(at(&format!("/GraphDriver/Data/{key}")), own.join(name).to_str().unwrap());
    }
    let lower = at("/GraphDriver/Data/LowerDir").as_str().unwrap().to_owned();
    assert!(Path::new(&lower).join("bin/sh").exists(), "{lower}");
    assert!(at("/Created").as_str().unwrap() > "2020");
}

#[test]
fn what_came_of_a_container_is_inspected_by_a_template() {
    let place = Place::new();
    let (name, code, content) = (random_token(), random(1, 100), random_token());
    let script = format!("echo {content} > /new; echo {content}; exit {code}");
    place.make(&format!("create --name {name}"), &script);
    minidock(place.path(), "start -a").arg(&name).run().code(code as i32);
    let of = |format: &str| {
        let inspect = minidock(place.path(), "inspect -f").args([format, &name]).run();
        inspect.success().trimmed()
    };
    wait_for("its end", || (of("{{.State.Status}}") == "exited").then_some(()));
    assert_eq!(of("{{.State.ExitCode}}:{{.State.Running}}"), format!("{code}:false"));
    let (started, finished) = (of("{{.State.StartedAt}}"), of("{{.State.FinishedAt}}"));
    assert!(of("{{.Created}}") <= started && started <= finished, "{started} {finished}");
    let upper = of("{{.GraphDriver.Data.UpperDir}}");
    assert_eq!(fs::read_to_string(format!("{upper}/new")).unwrap(), content.clone() + "\n");
    assert!(fs::read_to_string(of("{{.LogPath}}")).unwrap().contains(&content));
    assert!(of("{{json .State}}").starts_with("{\"Status\":\"exited\""));
    let wrong = minidock(place.path(), "inspect -f {{.Nothing}}").arg(&name).run();
    wrong.code(1).stderr_contains("Nothing").stderr_contains("HostConfig");
}

#[test]
fn what_is_not_there_is_named_after_what_is() {
    let place = Place::new();
    let [one, two, none] = [(); 3].map(|()| random_token());
    for name in [&one, &two] {
        place.make(&format!("create --name {name}"), "exit 0");
    }
    let alone = minidock(place.path(), "inspect").arg(&none).run();
    alone.code(1).stdout("[]\n").stderr_contains(&format!("Error: No such object: {none}"));
    let seen = minidock(place.path(), "inspect").args([&one, &none, &two]).run();
    seen.code(1).stderr_contains(&format!("Error: No such object: {none}"));
    let seen: Vec<Value> = serde_json::from_str(&seen.text()).unwrap();
    let names: Vec<&Value> = seen.iter().map(|view| &view["Name"]).collect();
    assert_eq!(names, [&format!("/{one}"), &format!("/{two}")]);
    let seen = minidock(place.path(), "inspect -f {{.Name}}").args([&two, &none, &one]).run();
    seen.code(1).stdout(&format!("/{two}\n/{one}\n")).stderr_contains(&none);
    // An image and a container of one name.
    place.image(&one);
    let kind = |kind: &str, field: &str| {
        let inspect = minidock(place.path(), "inspect --type").args([kind, "-f", field, &one]);
        inspect.run().success().trimmed()
    };
    assert_eq!(kind("container", "{{.Name}}"), format!("/{one}"));
    assert!(kind("image", "{{.RootFS.Type}}") == "layers");
    let wrong = minidock(place.path(), "inspect --type image").arg(&two).run();
    wrong.code(1).stdout("[]\n").stderr_contains(&format!("Error: No such image: {two}"));
}

#[test]
fn one_that_runs_is_inspected_as_the_kernel_sees_it_too() {
    let place = Place::new();
    let name = random_token();
    let id = place.make(&format!("run -d --name {name} -h {name}"), "exec sleep 600");
    let view = place.inspect(&name);
    let pid = view["State"]["Pid"].as_i64().unwrap() as i32;
    assert_eq!(host::container_id(pid), Some(id.clone()));
    assert_eq!((&view["State"]["Status"], &view["PID"]), (&"running".into(), &pid.into()));
    assert_eq!((&view["Container"], &view["Config"]["Hostname"]), (&(*id).into(), &(*name).into()));
    let namespaces = view["Namespaces"].as_array().unwrap();
    let uts = namespaces.iter().find(|namespace| namespace["Type"] == "uts").unwrap();
    assert_eq!(uts["Inode"], host::namespace(pid, "uts"));
    assert_eq!(view["Mounts"].as_array().unwrap().len(), host::mounts(pid).len());
    for (format, expected) in [
        ("{{.PID}}", pid.to_string()),
        ("{{.State.Pid}} {{.NSpid}}", format!("{pid} [{pid},1]")),
        ("{{.Name}} {{.Command}}", format!("/{name} sleep 600")),
    ] {
        // A keeper in the lab box is one namespace further out.
        let expected = match is_root() {
            true => expected,
            false => {
                expected.replace(&format!("[{pid},"), &format!("[{pid},{},", host::ns_pids(pid)[1]))
            }
        };
        let seen = minidock(place.path(), "inspect -f").args([format, &name]).run();
        seen.success().stdout(&format!("{expected}\n"));
    }
    let people = minidock(place.path(), "inspect").arg(&name).run();
    people.success().stdout_contains("NAMESPACE").stdout_contains(&id);
    // Of several, a list of all.
    let both = minidock(place.path(), "inspect").args([&name, &id]).run().success().text();
    let both: Vec<Value> = serde_json::from_str(&both).unwrap();
    assert_eq!((both.len(), &both[1]["PID"]), (2, &pid.into()));
}

#[test]
fn a_container_goes_by_its_new_name_everywhere() {
    if !root_or_skip("only root may make control groups here") {
        return;
    }
    let place = Place::new();
    let [old, new] = [(); 2].map(|()| random_token());
    let id = place.make(&format!("run -d --name {old}"), "sleep 600 & sleep 600");
    minidock(place.path(), "rename").args([&old, &new]).run().success();
    let mebibytes = random(40, 50);
    for name in [&new, &id, &id[..20].to_owned()] {
        let told = |words: &str| {
            let told = minidock(place.path(), words).arg(name).run();
            told.success().stderr("").stdout(&format!("{name}\n"));
        };
        told("pause");
        let row = place.row(&new);
        assert_eq!(row["State"], "paused");
        assert!(is_between(&row["Status"], "Up ", " (Paused)"), "{row}");
        assert_eq!(place.inspect(&new)["State"]["Paused"], true);
        told("unpause");
        assert_eq!(place.row(&new)["State"], "running");
        told(&format!("update -m {mebibytes}m"));
        let stats = minidock(place.path(), "stats --no-stream --format json").arg(name).run();
        let stats: Value = serde_json::from_str(&stats.success().text()).unwrap();
        assert_eq!((&stats["Name"], &stats["Container"]), (&(*new).into(), &(**name).into()));
        let usage = stats["MemUsage"].as_str().unwrap();
        assert!(usage.ends_with(&format!(" / {mebibytes}MiB")), "{usage}");
        let top = minidock(place.path(), "top").arg(name).run().success().text();
        assert_eq!(top.lines().filter(|line| line.ends_with("sleep 600")).count(), 3, "{top}");
    }
    let all = minidock(place.path(), "stats --no-stream --format {{.Name}}").run().success().text();
    assert!(all.lines().any(|name| name == new) && !all.contains(&old), "{all}");
    // The group is still called so.
    assert!(!cgroup::named(&old).is_empty());
    for words in ["pause", "unpause", "top", "stats --no-stream", "update -m 40m"] {
        let gone = minidock(place.path(), words).arg(&old).run();
        gone.code(1).stdout("").stderr_contains(&format!("No such container: {old}"));
    }
    let exec = |name: &str| minidock(place.path(), "exec").arg(name).words("true").run();
    exec(&old).code(1).stdout("").stderr_contains(&format!("No such container: {old}"));
    exec(&new).success();
    minidock(place.path(), "stop -t 0").arg(&new).run().success();
    for words in ["pause", "unpause", "top", "stats --no-stream"] {
        let ended = minidock(place.path(), words).arg(&new).run();
        ended.code(1).stdout("").stderr_contains(&format!("container {id} is not running"));
    }
}

#[test]
fn other_limits_are_in_force_now_and_at_the_next_start() {
    if !root_or_skip("only root may make control groups here") {
        return;
    }
    let place = Place::new();
    let name = random_token();
    place.make(&format!("run -d --pids-limit 99 --name {name}"), "exec sleep 600");
    let updated = |words: &str| {
        let update = minidock(place.path(), "update").words(words).arg(&name).run();
        update.success().stderr("").stdout(&format!("{name}\n"));
    };
    let in_force = |controller: &str, v1: &str, v2: &str| {
        let pid = place.row(&name)["PID"].as_i64().unwrap() as i32;
        let group = cgroup::group(pid, controller).unwrap();
        group.read(if group.version == 1 { v1 } else { v2 })
    };
    let memory = || in_force("memory", "memory.limit_in_bytes", "memory.max");
    let (first, second, pids) = (random(20, 50), random(80, 50), random(20, 50));
    updated(&format!("-m {first}m --cpus 0.5"));
    assert_eq!(memory(), (first * MIB).to_string());
    let kept = || place.inspect(&name)["HostConfig"].clone();
    assert_eq!((&kept()["Memory"], &kept()["PidsLimit"]), (&(first * MIB).into(), &99.into()));
    minidock(place.path(), "restart -t 0").arg(&name).run().success();
    assert_eq!(memory(), (first * MIB).to_string());
    minidock(place.path(), "stop -t 0").arg(&name).run().success();
    updated(&format!("--memory {second}m --memory-swap {second}m --pids-limit {pids}"));
    let limits = kept();
    assert_eq!(limits["MemorySwap"], second * MIB);
    assert_eq!((&limits["NanoCpus"], &limits["PidsLimit"]), (&500_000_000.into(), &pids.into()));
    // What does not go together with what is kept is refused, and changes nothing.
    let refused = minidock(place.path(), "update --memory-swap 10m").arg(&name).run();
    refused.code(1).stderr_contains("Minimum memoryswap limit should be larger");
    assert_eq!(kept(), limits);
    minidock(place.path(), "start").arg(&name).run().success();
    assert_eq!(memory(), (second * MIB).to_string());
    assert_eq!(in_force("pids", "pids.max", "pids.max"), pids.to_string());
    minidock(place.path(), "update")
        .arg(&name)
        .run()
        .code(125)
        .stderr_contains("one or more flags");
}

#[test]
fn another_restart_policy_counts_from_the_next_end_on() {
    let place = Place::new();
    let [name, removed] = [(); 2].map(|()| random_token());
    let update = |policy: &str, name: &str| {
        minidock(place.path(), "update --restart").args([policy, name]).run()
    };
    let policy = || place.inspect(&name)["HostConfig"]["RestartPolicy"].clone();
    place
        .make(&format!("run -d --name {name}"), "while ! test -e /go; do sleep 0.05; done; rm /go");
    update("on-failure:7", &name).success().stdout(&format!("{name}\n"));
    assert_eq!(policy(), serde_json::json!({"Name": "on-failure", "MaximumRetryCount": 7}));
    update("always", &name).success();
    let go = || {
        minidock(place.path(), "exec").arg(&name).words("touch /go").run().success();
    };
    let count = || place.inspect(&name)["RestartCount"].as_u64().unwrap();
    go();
    wait_for("a restart", || {
        (count() == 1 && place.row(&name)["State"] == "running").then_some(())
    });
    update("no", &name).success();
    go();
    wait_for("its end", || (place.row(&name)["State"] == "exited").then_some(()));
    assert_eq!(count(), 1);
    place.make(&format!("create --rm --name {removed}"), "exit 0");
    let refused = update("always", &removed);
    refused
        .code(1)
        .stderr_contains("Restart policy cannot be updated because AutoRemove is enabled");
    update("sometimes", &name).code(125).stderr_contains("unknown policy 'sometimes'");
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
