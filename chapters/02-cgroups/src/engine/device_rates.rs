//! How fast a container may use which disks (blkio.throttle.* of version 1, io.max of version 2).

use crate::limits::Setting;
use serde::{Deserialize, Serialize};

/// How fast a block device may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// What is counted.
    pub of: Rate,
    /// The device's major and minor number.
    pub device: (u64, u64),
    /// Bytes or operations a second.
    pub a_second: u64,
}

/// What is counted of a block device's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rate {
    /// Bytes read.
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Reads.
    Reads,
    /// Writes.
    Writes,
}

impl DeviceRate {
    /// As a file of version 1.
    pub fn in_v1(&self) -> Setting {
        let (option, file, _) = self.names();
        let value = format!("{}:{} {}", self.device.0, self.device.1, self.a_second);
        let meaning = "device and rate; version 1 counts direct and synchronous use only";
        Setting::new(("io", option), file, value, meaning)
    }

    /// As a line of version 2's one file.
    pub fn in_v2(&self) -> Setting {
        let (option, _, key) = self.names();
        let value = format!("{}:{} {key}={}", self.device.0, self.device.1, self.a_second);
        let meaning = "device and rate; what is written back later counts, too";
        Setting::new(("io", option), "io.max", value, meaning)
    }

    /// The option, the file of version 1, the key of version 2.
    fn names(&self) -> (&'static str, &'static str, &'static str) {
        match self.of {
            Rate::ReadBytes => ("--device-read-bps", "blkio.throttle.read_bps_device", "rbps"),
            Rate::WriteBytes => ("--device-write-bps", "blkio.throttle.write_bps_device", "wbps"),
            Rate::Reads => ("--device-read-iops", "blkio.throttle.read_iops_device", "riops"),
            Rate::Writes => ("--device-write-iops", "blkio.throttle.write_iops_device", "wiops"),
        }
    }
}
