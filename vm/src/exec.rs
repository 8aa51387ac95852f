//! One command in a virtual machine: its output comes back as it is written, and its exit code at the end.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use console::failure::Failure;
use nix::sys::signal::Signal;

use crate::guest::MODULES;
use crate::job::{JOB, Job, PATH, REPORT, Report, STDERR, STDOUT};
use crate::linux::Linux;
use crate::machine::{Accelerator, Guest, Machine};
use crate::qemu::{Qemu, inherited_path, last_lines, memory_file};
use crate::root::Root;

/// What to load: the bus and the ports that carry the output, and what the chapters need. The guest
/// has no modprobe, so that nothing is loaded on demand.
const WANTED: [&str; 22] = [
    "virtio_mmio",
    "virtio_pci",
    "virtio_console",
    "overlay",
    "veth",
    "bridge",
    "br_netfilter",
    "tun",
    "dummy",
    "nf_tables",
    "nf_conntrack",
    "nft_chain_nat",
    "nft_ct",
    "nft_masq",
    "nft_nat",
    "nft_redir",
    "nft_reject_inet",
    "nft_fib_inet",
    "sch_tbf",
    "sch_netem",
    "loop",
    "fuse",
];

/// What shall run, and in which machine.
#[derive(Clone, Debug)]
pub struct Request {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The machine.
    pub machine: Machine,
    /// Who executes it.
    pub accelerator: Accelerator,
    /// Memory in MiB; more is given if the files need it.
    pub memory: u32,
    /// Processors.
    pub processors: u32,
    /// When it is ended.
    pub timeout: Duration,
    /// Variables besides PATH and HOME.
    pub environment: Vec<(String, String)>,
    /// The working directory in the guest.
    pub directory: PathBuf,
    /// Files and directories to take along, at their own places.
    pub add: Vec<PathBuf>,
    /// Modules that are not loaded, nor taken along: a kernel without them.
    pub without: Vec<String>,
    /// Programs to put on the guest's PATH under these names; `minidock-01` is also named by
    /// MINIDOCK_BIN_01 there.
    pub chapters: Vec<(OsString, PathBuf)>,
    /// The program whose `main` becomes the guest's init.
    pub init: PathBuf,
}

/// Runs it; returns the command's exit code, as Docker tells it.
///
/// # Errors
/// If the machine cannot be started or made ready, or does not end in time.
pub fn run(
    request: &Request,
    linux: &Linux,
    stdout: &mut (dyn Write + Send),
    stderr: &mut (dyn Write + Send),
) -> Result<u8> {
    let archive = initramfs(request, linux)?;
    // Unpacking holds the archive and the files at once, and a tmpfs takes half of memory at most.
    let needed = (archive.len() >> 20) as u32 * 4 + 256;
    let initramfs = memory_file(c"initramfs", &archive)?;
    drop(archive);
    let console = memory_file(c"console", &[])?;
    let guest = Guest {
        machine: request.machine,
        accelerator: request.accelerator,
        memory: request.memory.max(needed),
        processors: request.processors,
        kernel: &linux.image,
        initramfs: &inherited_path(&initramfs),
        append: "quiet random.trust_cpu=on",
    };
    let mut command = guest.command()?;
    // The kernel's console is for when something goes wrong.
    command.arg("-serial").arg(format!("file:{}", inherited_path(&console).display()));
    command.arg("-device").arg(request.machine.device("virtio-serial")).stdout(Stdio::null());
    let mut report = Vec::new();
    let channels: [(&str, &mut (dyn Write + Send)); 3] =
        [(STDOUT, stdout), (STDERR, &mut *stderr), (REPORT, &mut report)];
    let unwanted = AtomicBool::new(false);
    let deadline = Instant::now() + request.timeout;
    scope(|scope| -> Result<()> {
        let (mut carriers, mut theirs) = (Vec::new(), Vec::new());
        for (name, to) in channels {
            let (ours, end) = UnixStream::pair().context("make a socket")?;
            let descriptor = end.as_raw_fd();
            command.arg("-chardev").arg(format!("socket,id={name},fd={descriptor}"));
            command.arg("-device").arg(format!("virtserialport,chardev={name},name={name}"));
            let unwanted = &unwanted;
            carriers.push(scope.spawn(move || carry(ours, to, unwanted)));
            theirs.push(end);
        }
        let files = [initramfs.as_fd(), console.as_fd()];
        let inherited: Vec<_> = theirs.iter().map(AsFd::as_fd).chain(files).collect();
        let started = Qemu::start(&mut command, &inherited);
        // From here on only QEMU holds them: when it ends, so do the carriers.
        drop(theirs);
        let enough = || unwanted.load(Ordering::Relaxed) || Instant::now() >= deadline;
        // QEMU is killed at the end of this line if it still runs.
        let ended = started.and_then(|mut qemu| qemu.wait_unless(enough));
        for carrier in carriers {
            carrier.join().expect("copying does not panic").context("pass the output on")?;
        }
        ended.map(drop)
    })?;
    match serde_json::from_slice(&report) {
        Ok(Report::Exit(code)) => return Ok(code),
        Ok(Report::NotRun(code, why)) => bail!(Failure::new(why).code(code)),
        Ok(Report::Failed(why)) => bail!("the guest could not be made ready: {why}"),
        Err(_) if unwanted.into_inner() => return Ok(128 + Signal::SIGPIPE as u8),
        Err(_) => writeln!(stderr, "vm: its console's last lines:\n{}", last_lines(&console))
            .context("standard error")?,
    }
    ensure!(
        Instant::now() < deadline,
        Failure::new(format!(
            "the virtual machine was still running after {} s, and was ended",
            request.timeout.as_secs()
        ))
        .remedy("give it more time with --timeout SECONDS")
    );
    bail!("the virtual machine ended without a report")
}

/// All that the guest has.
fn initramfs(request: &Request, linux: &Linux) -> Result<Vec<u8>> {
    let mut root = Root::new(&request.init)?;
    let mut environment = vec![("PATH".into(), PATH.into()), ("HOME".into(), "/root".into())];
    for (name, host) in &request.chapters {
        let place = root.chapter(host, name)?;
        if let Some(number) = name.to_string_lossy().strip_prefix("minidock-") {
            environment.push((format!("MINIDOCK_BIN_{number}"), place.display().to_string()));
        }
    }
    environment.extend(request.environment.iter().cloned());
    for path in &request.add {
        root.add(path)?;
    }
    let (name, arguments) = request.command.split_first().context("no command")?;
    let mut words = vec![root.command(name)?];
    words.extend(arguments.iter().cloned());
    let mut modules = Vec::new();
    let is_wanted = |name: &&str| !request.without.iter().any(|without| without == name);
    let wanted: Vec<&str> = WANTED.into_iter().filter(is_wanted).collect();
    for module in linux.modules()?.with_dependencies(&wanted)? {
        let place = Path::new(MODULES).join(&module.file);
        root.archive().file(&place, 0o644, module.content);
        modules.push(place);
    }
    let job = Job { modules, command: words, environment, directory: request.directory.clone() };
    root.archive().file(Path::new(JOB), 0o600, serde_json::to_vec(&job)?);
    root.archive().bytes()
}

/// Passes on what comes. When nobody takes it any more, as in `… | head`, the machine is unwanted: in it
/// the command would never learn that its reader is gone.
fn carry(mut from: UnixStream, to: &mut dyn Write, unwanted: &AtomicBool) -> io::Result<()> {
    let passed = pass(&mut from, to);
    if passed.is_err() {
        unwanted.store(true, Ordering::Relaxed);
    }
    match passed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        passed => passed,
    }
}

/// Each piece at once: somebody may be watching.
fn pass(from: &mut impl Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
        to.flush()?;
    }
}
