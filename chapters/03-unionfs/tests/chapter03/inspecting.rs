//! `inspect`; and `stats`, `top`, `pause` of containers that go by a name which their groups do not have.

use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::{cgroup, host, is_root, random_token, root_or_skip, wait_for};

use crate::place::Place;
use crate::{minidock, random};

const MIB: u64 = 1 << 20;

fn is_between(text: &Value, begin: &str, end: &str) -> bool {
    let text = text.as_str().unwrap();
    text.starts_with(begin) && text.ends_with(end)
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
