//! The guest's kernel: the file that MINIDOCK_VM_KERNEL names, or a distribution's package, unpacked and not
//! installed. Its modules are those of the package, or of /lib/modules/VERSION.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use console::failure::Failure;

use crate::modules::Modules;

/// Names another kernel.
pub const KERNEL: &str = "MINIDOCK_VM_KERNEL";
/// Names another place for what is fetched and made.
pub const DIRECTORY: &str = "MINIDOCK_VM_DIR";

const OTHERWISE: &str = "name a kernel: MINIDOCK_VM_KERNEL=/boot/vmlinuz-VERSION, with its modules \
                         in /lib/modules/VERSION";

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub struct Linux {
    /// Its image.
    pub image: PathBuf,
    /// `uname -r`, if it can be told.
    pub version: String,
    modules: Option<PathBuf>,
}

impl Linux {
    /// The kernel to use; the first time, a package is fetched.
    ///
    /// # Errors
    /// If there is none and none can be fetched; the failure says what to do.
    pub fn find() -> Result<Linux> {
        match std::env::var_os(KERNEL) {
            Some(image) => Linux::own(Path::new(&image)),
            None => Linux::packaged(),
        }
    }

    /// Its modules; none if they are nowhere.
    ///
    /// # Errors
    /// If their directory cannot be read.
    pub fn modules(&self) -> Result<Modules> {
        self.modules.as_deref().map_or_else(|| Ok(Modules::none()), Modules::below)
    }

    fn own(image: &Path) -> Result<Linux> {
        let content = fs::read(image).with_context(|| {
            Failure::new(format!("cannot read {KERNEL}={}", image.display()))
                .remedy("name a kernel that this account may read; Ubuntu's are for root only")
        })?;
        let version = version(image, &content);
        // Installed, or beside it in a package that somebody has unpacked: boot/ and lib/ in one directory.
        let beside = image.ancestors().nth(2).map(|above| above.join("lib/modules"));
        let modules = [Some("/lib/modules".into()), beside].into_iter().flatten();
        let modules = modules.map(|place| place.join(&version)).find(|place| place.is_dir());
        Ok(Linux { image: image.to_owned(), version, modules })
    }

    fn packaged() -> Result<Linux> {
        // One that somebody else has fetched and we may only read will do.
        let fetched = places().into_iter().map(|place| place.join("kernel"));
        let place = match fetched.into_iter().find(|place| only_entry(place).is_ok()) {
            Some(place) => place,
            None => fetch(&directory()?)?,
        };
        let version = only_entry(&place.join("lib/modules"))?;
        Ok(Linux {
            image: place.join("boot").join(format!("vmlinuz-{version}")),
            modules: Some(place.join("lib/modules").join(&version)),
            version,
        })
    }
}

/// Where this package keeps what it fetches and makes: MINIDOCK_VM_DIR, or `target/vm`, or where somebody else
/// owns the tree, the user's cache.
///
/// # Errors
/// If none can be made.
pub fn directory() -> Result<PathBuf> {
    let usable =
        |place: &PathBuf| fs::create_dir_all(place).is_ok() && tempfile::tempfile_in(place).is_ok();
    let place = places().into_iter().find(usable).with_context(|| {
        Failure::new("there is no directory to keep a kernel in")
            .remedy(format!("name one with {DIRECTORY}"))
    })?;
    Ok(fs::canonicalize(place)?)
}

fn places() -> Vec<PathBuf> {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return vec![directory.into()];
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vm");
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/minidock-vm"));
    [Some(target), home].into_iter().flatten().collect()
}

/// Downloads the package and unpacks it beside its place, which it then takes at once: a download that was
/// interrupted leaves nothing that looks whole.
fn fetch(directory: &Path) -> Result<PathBuf> {
    let place = directory.join("kernel");
    let packages = packages()?;
    eprintln!("vm: fetching {} (30 MB or more, once) to {}", packages.join(", "), place.display());
    let partial = tempfile::tempdir_in(directory)?;
    let [download, unpacked] = ["download", "unpacked"].map(|name| partial.path().join(name));
    fs::create_dir(&download)?;
    let words: Vec<&str> = packages.iter().map(String::as_str).collect();
    apt(&[&["download", "-qq"], &words[..]].concat(), &download)?;
    for archive in fs::read_dir(&download)? {
        let archive = archive?.path();
        let status = Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked).status();
        ensure!(
            status.context("dpkg-deb")?.success(),
            "dpkg-deb cannot unpack {}",
            archive.display()
        );
    }
    match fs::rename(&unpacked, &place) {
        // Another process was as quick.
        Err(_) if place.is_dir() => {}
        renamed => renamed.with_context(|| format!("rename to {}", place.display()))?,
    }
    Ok(place)
}

/// The packages of a kernel for virtual machines: the image that the metapackage depends on, and where
/// a distribution has the modules apart, those.
fn packages() -> Result<Vec<String>> {
    let debian = match ARCH {
        "aarch64" => "linux-image-cloud-arm64",
        _ => "linux-image-cloud-amd64",
    };
    let ubuntu = "linux-image-virtual";
    for name in [debian, ubuntu] {
        let output = Command::new("apt-cache").args(["depends", "--important", name]).output();
        let output = output.with_context(|| {
            Failure::new("there is no apt to fetch a kernel with").remedy(OTHERWISE)
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let depends = |line: &str| Some(line.trim().strip_prefix("Depends: ")?.to_owned());
        let image = text.lines().filter_map(depends).find(|name| name.starts_with("linux-image-"));
        if let Some(image) = image {
            let modules = image.replacen("image", "modules", 1);
            return Ok(if name == ubuntu { vec![image, modules] } else { vec![image] });
        }
    }
    let remedy = format!("run apt-get update as root, or {OTHERWISE}");
    Err(Failure::new(format!("apt knows no package {debian}")).remedy(remedy).into())
}

fn apt(arguments: &[&str], directory: &Path) -> Result<()> {
    let mut command = Command::new("apt-get");
    // As an account of its own apt could not write into a private directory, and would complain of that.
    command.args(["-o", "APT::Sandbox::User=root"]).args(arguments).current_dir(directory);
    let output = command.stdin(Stdio::null()).output().context("apt-get")?;
    ensure!(
        output.status.success(),
        Failure::new(format!(
            "apt-get {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))
        .remedy(format!("run apt-get update as root, or {OTHERWISE}"))
    );
    Ok(())
}

fn only_entry(directory: &Path) -> Result<String> {
    let entry = fs::read_dir(directory)
        .with_context(|| format!("read {}", directory.display()))?
        .next()
        .with_context(|| format!("{} is empty", directory.display()))??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

/// What an image says of itself (Documentation/arch/x86/boot.rst: at 0x20e stands where, less 0x200); elsewhere
/// its file's name tells.
fn version(path: &Path, image: &[u8]) -> String {
    let told = || {
        ensure!(image.get(0x202..0x206) == Some(b"HdrS"), "no bzImage");
        let at = image.get(0x20e..0x210).context("short")?;
        let at = usize::from(u16::from_le_bytes([at[0], at[1]])) + 0x200;
        let text = image.get(at..).context("short")?;
        let end = text.iter().position(|byte| *byte == b' ' || *byte == 0).context("no end")?;
        Ok(String::from_utf8(text[..end].to_vec())?)
    };
    told().unwrap_or_else(|_| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split_once('-').map_or("unknown", |(_, version)| version).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_image_or_in_its_name() {
        let mut image = vec![0; 0x600];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
        image[0x500..0x50e].copy_from_slice(b"6.1.0-5 (x@y) ");
        assert_eq!(version(Path::new("/boot/vmlinuz"), &image), "6.1.0-5");
        assert_eq!(version(Path::new("/boot/vmlinuz-6.12-arm64"), b"MZ"), "6.12-arm64");
    }
}
