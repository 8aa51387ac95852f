//! `--device-read-bps` and its kin: PATH:RATE becomes the number of a device and a rate.

use crate::engine::device_rates::{DeviceRate, Rate};
use crate::engine::units;
use anyhow::Result;
use console::failure::Failure;
use kernel::error::describe;
use nix::sys::stat::{SFlag, major, minor, stat};
use std::path::{Path, PathBuf};

/// Options of `run`.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct DeviceOptions {
    /// Most bytes a second read from a disk, as /dev/sda:1mb
    #[arg(long, value_name = "PATH:RATE")]
    device_read_bps: Vec<String>,
    /// Most bytes a second written to it
    #[arg(long, value_name = "PATH:RATE")]
    device_write_bps: Vec<String>,
    /// Most reads a second
    #[arg(long, value_name = "PATH:RATE")]
    device_read_iops: Vec<String>,
    /// Most writes a second
    #[arg(long, value_name = "PATH:RATE")]
    device_write_iops: Vec<String>,
}

impl DeviceOptions {
    /// The rates.
    pub fn resolve(&self) -> Result<Vec<DeviceRate>> {
        let options = [
            (Rate::ReadBytes, &self.device_read_bps),
            (Rate::WriteBytes, &self.device_write_bps),
            (Rate::Reads, &self.device_read_iops),
            (Rate::Writes, &self.device_write_iops),
        ];
        let all = options.into_iter().flat_map(|(of, texts)| texts.iter().map(move |t| (of, t)));
        all.map(|(of, text)| parse(of, text)).collect()
    }
}

fn parse(of: Rate, text: &str) -> Result<DeviceRate> {
    // The last colon: names in /dev/disk/by-path have some.
    let Some((path, rate)) = text.rsplit_once(':').filter(|(path, _)| !path.is_empty()) else {
        let failure = Failure::new(format!("bad format: {text}"));
        return Err(failure.remedy("write PATH:RATE, as /dev/sda:1mb").into());
    };
    let a_second = match of {
        Rate::ReadBytes | Rate::WriteBytes => units::size(rate).ok(),
        Rate::Reads | Rate::Writes => rate.parse().ok(),
    };
    // None at all is no rate: version 1 takes 0 as no limit, version 2 refuses it.
    let Some(a_second) = a_second.filter(|rate| *rate > 0) else {
        let (unit, remedy) = match of {
            Rate::ReadBytes | Rate::WriteBytes => ("[<unit>]", "as /dev/sda:1mb"),
            Rate::Reads | Rate::Writes => ("", "as /dev/sda:100"),
        };
        let message = format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>{unit}. \
             Number must be a positive integer"
        );
        return Err(Failure::new(message).remedy(format!("write it {remedy}")).into());
    };
    Ok(DeviceRate { of, device: whole_disk(Path::new(path))?, a_second })
}

/// The number of a block device, if it is one that the kernel can slow down.
fn whole_disk(path: &Path) -> Result<(u64, u64)> {
    let shown = path.display();
    let found = stat(path).map_err(|errno| {
        let failure = Failure::new(format!("the device {shown}: {}", describe(errno)));
        failure.remedy("see lsblk for those that there are")
    })?;
    let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
    if kind != SFlag::S_IFBLK {
        let failure = Failure::new(format!("{shown} is not a block device"));
        return Err(failure.remedy("name a disk, see lsblk").into());
    }
    let device = (major(found.st_rdev), minor(found.st_rdev));
    if let Some(disk) = disk_of_partition(device) {
        let failure = Failure::new(format!("{shown} is a partition, and only disks have a rate"));
        return Err(failure.remedy(format!("name the whole disk: {}", disk.display())).into());
    }
    Ok(device)
}

/// The disk that a partition is a part of: the directory above the partition's own in sysfs(5).
fn disk_of_partition((major, minor): (u64, u64)) -> Option<PathBuf> {
    let device = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let disk = device.parent()?.file_name()?;
    device.join("partition").exists().then(|| Path::new("/dev").join(disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(of: Rate, text: &str) -> String {
        let error = parse(of, text).unwrap_err();
        assert!(error.downcast_ref::<Failure>().unwrap().remedy.is_some(), "{text}");
        format!("{error:#}")
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "/dev/sda", ":1mb"] {
            assert!(refusal(Rate::ReadBytes, text).starts_with("bad format: "), "{text}");
        }
        for text in ["/dev/sda:", "/dev/sda:0", "/dev/sda:-1", "/dev/sda:fast"] {
            for of in [Rate::WriteBytes, Rate::Writes] {
                assert!(refusal(of, text).contains("must be a positive integer"), "{text}");
            }
        }
        assert!(refusal(Rate::Reads, "/dev/sda:1mb").contains("<device-path>:<number>. Number"));
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        assert!(refusal(Rate::Reads, "/dev/null:1").contains("/dev/null is not a block device"));
        assert!(
            refusal(Rate::Reads, "/dev/no:such:1")
                .contains("the device /dev/no:such: No such file")
        );
    }
}
