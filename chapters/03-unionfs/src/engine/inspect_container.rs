//! `inspect` of a container that has a record, in Docker's shape. Fields of what this chapter does not have
//! (ports, networks, volumes, health) are left out.

use crate::container::{Driver, Record};
use crate::engine::live::Status;
use crate::engine::log;
use crate::engine::seen::Seen;
use crate::layer::Layers;
use cgroups::engine::device_rates::{DeviceRate, Rate};
use cgroups::engine::ulimits::Ulimit;
use cgroups::limits::{Limits, Most};
use kernel::namespace::Namespace;
use kernel::resource::UNLIMITED;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What Docker calls a moment that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The whole of it.
pub fn view(seen: &Seen, root: &Path) -> Value {
    let record = &seen.record;
    let words = &record.command;
    let log = log::path(&record.directory(root), 0);
    json!({
        "Id": record.id,
        "Created": record.created,
        "Path": words.first(),
        "Args": words.get(1..).unwrap_or_default(),
        "State": state(seen),
        "Image": record.image.as_deref().unwrap_or_default(),
        "LogPath": if log.exists() { log.display().to_string() } else { String::new() },
        "Name": format!("/{}", record.name),
        "RestartCount": seen.live.restart_count.max(seen.state.restart_count),
        "Driver": record.driver,
        "Platform": "linux",
        "HostConfig": host_config(record),
        "GraphDriver": graph_driver(record, root),
        "Config": config(record),
    })
}

fn state(seen: &Seen) -> Value {
    let (state, runs) = (&seen.state, seen.runs());
    let moment = |text: &str| if text.is_empty() { NEVER.to_owned() } else { text.to_owned() };
    json!({
        "Status": seen.word(),
        "Running": runs,
        "Paused": seen.first.paused,
        "Restarting": seen.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": seen.first.pid.map_or(0, |pid| pid.as_raw()),
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": moment(seen.started_at()),
        "FinishedAt": moment(&state.finished_at),
    })
}

fn config(record: &Record) -> Value {
    let settings = &record.settings;
    json!({
        "Hostname": settings.hostname.as_deref().unwrap_or_default(),
        "User": record.user,
        "Tty": settings.tty,
        "OpenStdin": settings.open_stdin,
        "StdinOnce": settings.stdin_once,
        "Env": record.env,
        // The image's entrypoint is in there already.
        "Cmd": record.command,
        "Entrypoint": null,
        "Image": record.root,
        "WorkingDir": record.working_dir,
        "Labels": settings.labels,
        "StopSignal": settings.stop_signal,
        "StopTimeout": settings.stop_timeout,
    })
}

fn host_config(record: &Record) -> Value {
    let settings = &record.settings;
    let shares = |kind: Namespace| settings.shared.iter().any(|name| name == kind.name());
    let mode = |kind, private| if shares(kind) { "host" } else { private };
    let (policy, count) = settings.restart.parts();
    let of_process = json!({
        "RestartPolicy": {"Name": policy, "MaximumRetryCount": count},
        "AutoRemove": record.auto_remove,
        "NetworkMode": mode(Namespace::Network, "none"),
        "PidMode": mode(Namespace::Pid, ""),
        "IpcMode": mode(Namespace::Ipc, "private"),
        "UTSMode": mode(Namespace::Uts, ""),
        "CgroupnsMode": "private",
        "ReadonlyRootfs": settings.read_only,
        "OomScoreAdj": settings.oom_score_adj.unwrap_or(0),
        "Ulimits": settings.ulimits.iter().map(ulimit).collect::<Vec<Value>>(),
        "LogConfig": {"Type": "json-file", "Config": log_options(record)},
        "Init": settings.init,
    });
    join(of_process, limits(&settings.limits))
}

/// Zero is no limit, as in Docker.
fn limits(limits: &Limits) -> Value {
    let most = |most: Option<Most>| {
        most.map(|most| match most {
            Most::Is(number) => i64::try_from(number).unwrap_or(i64::MAX),
            Most::Unlimited => -1,
        })
    };
    let rates = |of: Rate| -> Vec<Value> {
        limits.devices.iter().filter(|device| device.of == of).map(rate).collect()
    };
    json!({
        "Memory": limits.memory.unwrap_or(0),
        "MemorySwap": most(limits.memory_and_swap()).unwrap_or(0),
        "MemoryReservation": limits.memory_reservation.unwrap_or(0),
        "NanoCpus": limits.nano_cpus.unwrap_or(0),
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.as_deref().unwrap_or_default(),
        "CpusetMems": limits.cpuset_mems.as_deref().unwrap_or_default(),
        "PidsLimit": most(limits.pids),
        "BlkioDeviceReadBps": rates(Rate::ReadBytes),
        "BlkioDeviceWriteBps": rates(Rate::WriteBytes),
        "BlkioDeviceReadIOps": rates(Rate::Reads),
        "BlkioDeviceWriteIOps": rates(Rate::Writes),
    })
}

fn rate(device: &DeviceRate) -> Value {
    let (major, minor) = device.device;
    json!({"Path": format!("/dev/block/{major}:{minor}"), "Rate": device.a_second})
}

fn ulimit(ulimit: &Ulimit) -> Value {
    let number = |number: u64| if number == UNLIMITED { json!(-1) } else { json!(number) };
    json!({
        "Name": ulimit.resource.name,
        "Hard": number(ulimit.limit.hard),
        "Soft": number(ulimit.limit.soft),
    })
}

fn log_options(record: &Record) -> Value {
    let log = &record.settings.log;
    let size = log.max_size.map(|size| ("max-size".to_owned(), size.to_string().into()));
    let count =
        (log.max_file > 0).then(|| ("max-file".to_owned(), log.max_file.to_string().into()));
    Value::Object(size.into_iter().chain(count).collect())
}

/// Where its layers are, the uppermost first, whether they are there or not.
fn graph_driver(record: &Record, root: &Path) -> Value {
    let (own, layers) = (record.directory(root), Layers::open(root, record.spelling));
    let layers = record.layers.iter().rev().map(|layer| layers.directory(layer));
    let lower = record.directory.clone().map(|directory| directory.0).into_iter().chain(layers);
    let lower: Vec<String> = lower.map(|directory| directory.display().to_string()).collect();
    let place = |name: &str| own.join(name).display().to_string();
    let data = match record.driver {
        Driver::Overlay => json!({"UpperDir": place("upper"), "WorkDir": place("work")}),
        Driver::Copy => json!({"MergedDir": place("fs")}),
    };
    json!({"Name": record.driver, "Data": join(json!({"LowerDir": lower.join(":")}), data)})
}

/// All fields of both; of two with one name, the first one's.
pub fn join(first: Value, second: Value) -> Value {
    let fields = |value: Value| match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let (mut joined, second) = (fields(first), fields(second));
    for (name, value) in second {
        joined.entry(name).or_insert(value);
    }
    Value::Object(joined)
}
