//! `ns` and `inspect`: containers as the kernel sees them. There is no record of ours to go wrong:
//! a container is known by the mount on its /dev, which only we make (proc_pid_mountinfo(5)).

use anyhow::Result;
use console::failure::Failure;
use kernel::Pid;
use kernel::namespace::Namespace;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the source of a container's /dev mount begins with; its id follows.
const MARK: &str = "minidock/";

/// The most characters of a command in a table.
const WIDTH: usize = 40;

/// Options of `inspect`.
#[derive(clap::Args, Debug)]
pub struct InspectOptions {
    /// The process
    pid: i32,
    /// `json`, or a text with {{.Field}} in it
    #[arg(short, long)]
    format: Option<String>,
}

/// Options of `ns`.
#[derive(clap::Args, Debug)]
pub struct NsOptions {
    /// `json`, or a text with {{.Field}} in it
    #[arg(long)]
    format: Option<String>,
}

/// One namespace, and who is in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Space {
    /// Its kind, as in /proc/PID/ns.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// Its number.
    pub inode: u64,
    /// How many processes are in it.
    pub processes: usize,
    /// The lowest process number in it.
    #[serde(rename = "PID")]
    pub pid: i32,
    /// That process's command.
    pub command: String,
    /// The container it belongs to, shortened; empty if the processes are not all of one.
    pub container: String,
}

/// Every process whose namespaces we may see.
pub fn processes() -> Result<Vec<Pid>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw));
    }
    pids.sort();
    Ok(pids)
}

/// The namespaces of this machine, as far as this account may see them.
pub fn spaces() -> Result<Vec<Space>> {
    let mut members: BTreeMap<(&'static str, u64), Vec<Pid>> = BTreeMap::new();
    for pid in processes()? {
        for namespace in Namespace::ALL {
            // Processes that have ended meanwhile, and other people's, are left out.
            if let Some(inode) = namespace.inode(pid) {
                members.entry((namespace.name(), inode)).or_default().push(pid);
            }
        }
    }
    let mut containers = BTreeMap::new();
    let spaces = members.into_iter().map(|((kind, inode), pids)| {
        let first = pids[0];
        let mut of =
            |pid: &Pid| containers.entry(*pid).or_insert_with(|| container_of(*pid)).clone();
        let container = of(&first).filter(|id| pids.iter().all(|pid| of(pid).as_ref() == Some(id)));
        Space {
            kind,
            inode,
            processes: pids.len(),
            pid: first.as_raw(),
            command: command_of(first),
            container: container.map_or(String::new(), |id| id[..12].into()),
        }
    });
    Ok(spaces.collect())
}

/// The id of the container that a process is in.
pub fn container_of(pid: Pid) -> Option<String> {
    let mounts = kernel::text::read(format!("/proc/{pid}/mountinfo")).ok()?;
    mounts.lines().filter_map(Mount::parse).find_map(|mount| {
        let id = mount.source.strip_prefix(MARK)?;
        let hexadecimal = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (mount.point == "/dev" && mount.kind == "tmpfs" && hexadecimal).then(|| id.to_owned())
    })
}

/// The command of a process in one line; the kernel's name for it in brackets if it has none.
pub fn command_of(pid: Pid) -> String {
    let words: Vec<String> =
        arguments_of(pid).iter().map(|word| word.escape_debug().to_string()).collect();
    if words.is_empty() { format!("[{}]", name_of(pid)) } else { words.join(" ") }
}

/// The words of a process's command, without empty ones.
pub fn arguments_of(pid: Pid) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into()).collect()
}

/// The kernel's name for a process.
pub fn name_of(pid: Pid) -> String {
    let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().escape_debug().to_string()
}

/// One process beside the host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspection {
    /// The process.
    #[serde(rename = "PID")]
    pub pid: i32,
    /// Its numbers, from the outermost PID namespace that we can see to its own.
    #[serde(rename = "NSpid")]
    pub ns_pid: Vec<i32>,
    /// The container's id, if it is one of ours.
    pub container: Option<String>,
    /// Its command.
    pub command: String,
    /// Its namespaces beside ours.
    pub namespaces: Vec<Beside>,
    /// What it sees mounted.
    pub mounts: Vec<Mount>,
}

/// One kind of namespace of a process beside ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Beside {
    /// The kind.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// The process's.
    pub inode: Option<u64>,
    /// Ours.
    pub host: Option<u64>,
    /// Whether they are one; none if one of them is not ours to look at.
    pub shared: Option<bool>,
}

/// A line of mountinfo.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// Where.
    pub point: String,
    /// The file system's type.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its source.
    pub source: String,
    /// Which part of that file system.
    pub root: String,
    /// Options of this mount.
    pub options: String,
    /// `private`, or what it shares and receives.
    pub propagation: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Mount> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.split(' ');
        let propagation = left.get(6..)?.join(" ");
        Some(Mount {
            root: left.get(3)?.to_string(),
            point: left.get(4)?.to_string(),
            options: left.get(5)?.to_string(),
            propagation: if propagation.is_empty() { "private".into() } else { propagation },
            kind: right.next()?.into(),
            source: right.next()?.into(),
        })
    }
}

/// Looks at a process.
pub fn inspect(pid: i32) -> Result<Inspection> {
    let process = Pid::from_raw(pid);
    let missing =
        || Failure::new(format!("there is no process {pid}")).remedy("list them with `ns`");
    let status = kernel::text::read(format!("/proc/{pid}/status")).map_err(|_| missing())?;
    let mounts = kernel::text::read(format!("/proc/{pid}/mountinfo")).map_err(|_| missing())?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or("");
    let namespaces = Namespace::ALL.into_iter().map(|namespace| {
        let (inode, host) = (namespace.inode(process), namespace.inode(Pid::this()));
        Beside {
            kind: namespace.name(),
            inode,
            host,
            shared: inode.zip(host).map(|(one, other)| one == other),
        }
    });
    Ok(Inspection {
        pid,
        ns_pid: numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect(),
        container: container_of(process),
        command: command_of(process),
        namespaces: namespaces.collect(),
        mounts: mounts.lines().filter_map(Mount::parse).collect(),
    })
}

/// A process as the kernel sees it, in a format, or for people.
pub fn show(options: &InspectOptions) -> Result<String> {
    let inspection = inspect(options.pid)?;
    match options.format.as_deref() {
        Some(format) => console::format::one(&serde_json::to_value(&inspection)?, format)
            .map(|text| text + "\n"),
        None => for_people(&inspection),
    }
}

/// Namespaces beside the host's, then mounts.
pub fn for_people(inspection: &Inspection) -> Result<String> {
    let Inspection { pid, ns_pid, command, .. } = inspection;
    let numbers: Vec<String> = ns_pid.iter().map(i32::to_string).collect();
    let container = inspection.container.as_deref().unwrap_or("none of ours");
    let namespaces =
        [("NAMESPACE", "Type"), ("INODE", "Inode"), ("HOST", "Host"), ("SHARED", "Shared")];
    let mounts = [
        ("MOUNT", "Point"),
        ("TYPE", "Type"),
        ("SOURCE", "Source"),
        ("OPTIONS", "Options"),
        ("PROPAGATION", "Propagation"),
    ];
    Ok(format!(
        "Process:    {pid} (as numbered in each PID namespace: {})\nCommand:    {command}\n\
         Container:  {container}\n\n{}\n{}",
        numbers.join(" "),
        console::format::list(&inspection.namespaces, &namespaces, None)?,
        console::format::list(&inspection.mounts, &mounts, None)?,
    ))
}

/// The list for people, or in a format.
pub fn table(options: &NsOptions) -> Result<String> {
    let format = options.format.as_deref();
    let columns = [
        ("TYPE", "Type"),
        ("INODE", "Inode"),
        ("PROCESSES", "Processes"),
        ("PID", "PID"),
        ("CONTAINER", "Container"),
        ("COMMAND", "Command"),
    ];
    let mut spaces = spaces()?;
    if format.is_none() {
        for space in &mut spaces {
            space.command = shorten(&space.command);
        }
    }
    console::format::list(&spaces, &columns, format)
}

/// As much of a command as fits beside the other columns.
fn shorten(command: &str) -> String {
    match command.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command.into(),
    }
}
