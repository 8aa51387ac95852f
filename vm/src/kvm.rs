//! The barest virtual machine, without QEMU: KVM makes one, gives it a page of memory and a processor, and runs the
//! one instruction in it, HLT. What this takes, no virtual machine can go below.
//! <https://docs.kernel.org/virt/kvm/api.html>

use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use request::{
    kvm_create_vcpu, kvm_create_vm, kvm_get_vcpu_mmap_size, kvm_run, kvm_set_user_memory_region,
};

/// The number that all of KVM's requests share (linux/kvm.h).
const KVMIO: u8 = 0xAE;
/// The instruction: stop until an interrupt comes, which never will.
const HLT: u8 = 0xF4;
/// Where a processor of this kind takes its first instruction after a reset, 16 bytes below 4 GiB: with memory there,
/// no register has to be set.
const RESET_VECTOR: u64 = 0xFFFF_FFF0;
const PAGE: usize = 4096;
/// `exit_reason` of `struct kvm_run`: where it stands, and the value that says HLT.
const EXIT_REASON: usize = 8;
const KVM_EXIT_HLT: u32 = 5;

/// `struct kvm_userspace_memory_region`.
#[repr(C)]
struct MemoryRegion {
    slot: u32,
    flags: u32,
    guest_physical_address: u64,
    memory_size: u64,
    userspace_address: u64,
}

/// The requests. The macros make public functions; the module keeps them to itself.
#[allow(missing_docs, reason = "their names are the kernel's")]
mod request {
    use super::{KVMIO, MemoryRegion};

    nix::ioctl_write_int_bad!(kvm_create_vm, nix::request_code_none!(KVMIO, 0x01));
    nix::ioctl_write_int_bad!(kvm_get_vcpu_mmap_size, nix::request_code_none!(KVMIO, 0x04));
    nix::ioctl_write_int_bad!(kvm_create_vcpu, nix::request_code_none!(KVMIO, 0x41));
    nix::ioctl_write_ptr!(kvm_set_user_memory_region, KVMIO, 0x46, MemoryRegion);
    nix::ioctl_write_int_bad!(kvm_run, nix::request_code_none!(KVMIO, 0x80));
}

/// Makes one, runs it, tears it down; the time for all of that.
///
/// # Errors
/// If /dev/kvm cannot be opened, or a request fails.
pub fn barest() -> Result<Duration> {
    let begin = Instant::now();
    let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm").context("/dev/kvm")?;
    run_hlt(&kvm)?;
    // Closing the last descriptor tears the machine down; `run_hlt` has closed all but this one.
    drop(kvm);
    Ok(begin.elapsed())
}

fn run_hlt(kvm: &File) -> Result<()> {
    // SAFETY: the request takes a number, the type of the machine.
    let vm = unsafe { kvm_create_vm(kvm.as_raw_fd(), 0) }.context("KVM_CREATE_VM")?;
    let vm = owned(vm);
    // The code must outlive the machine that executes it, and so is unmapped after `vcpu` is closed.
    let code = Mapping::anonymous(PAGE)?;
    code.write(RESET_VECTOR as usize % PAGE, HLT);
    let region = MemoryRegion {
        slot: 0,
        flags: 0,
        guest_physical_address: RESET_VECTOR / PAGE as u64 * PAGE as u64,
        memory_size: PAGE as u64,
        userspace_address: code.start.as_ptr() as u64,
    };
    // SAFETY: the kernel reads a region; its memory stays mapped while the machine runs.
    unsafe { kvm_set_user_memory_region(vm.as_raw_fd(), &region) }
        .context("KVM_SET_USER_MEMORY_REGION")?;
    // SAFETY: the request takes a number, the processor's.
    let vcpu = unsafe { kvm_create_vcpu(vm.as_raw_fd(), 0) }.context("KVM_CREATE_VCPU")?;
    let vcpu = owned(vcpu);
    // SAFETY: the request's argument is not used.
    let size = unsafe { kvm_get_vcpu_mmap_size(kvm.as_raw_fd(), 0) };
    let shared = Mapping::of(&vcpu, size.context("KVM_GET_VCPU_MMAP_SIZE")? as usize)?;
    // SAFETY: the request's argument is not used; the guest reaches its one page and nothing else.
    unsafe { kvm_run(vcpu.as_raw_fd(), 0) }.context("KVM_RUN")?;
    let reason = shared.read(EXIT_REASON);
    ensure!(reason == KVM_EXIT_HLT, "the guest left for reason {reason} and not at HLT");
    Ok(())
}

/// A descriptor that a request has just made.
fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: KVM returned it, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Memory that is shared with somebody outside of this program, and unmapped with its owner.
struct Mapping {
    start: NonNull<std::ffi::c_void>,
    size: NonZeroUsize,
}

const READ_WRITE: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);

impl Mapping {
    fn anonymous(size: usize) -> Result<Mapping> {
        let size = NonZeroUsize::new(size).context("no size")?;
        // SAFETY: the kernel chooses a place that nothing else uses.
        let start = unsafe { mmap_anonymous(None, size, READ_WRITE, MapFlags::MAP_PRIVATE) };
        Ok(Mapping { start: start.context("mmap")?, size })
    }

    fn of(file: impl AsFd, size: usize) -> Result<Mapping> {
        let size = NonZeroUsize::new(size).context("no size")?;
        // SAFETY: as above.
        let start = unsafe { mmap(None, size, READ_WRITE, MapFlags::MAP_SHARED, file, 0) };
        Ok(Mapping { start: start.context("mmap of a vCPU")?, size })
    }

    fn write(&self, offset: usize, value: u8) {
        assert!(offset < self.size.get());
        // SAFETY: within the mapping, as asserted.
        let place = unsafe { self.start.as_ptr().cast::<u8>().add(offset) };
        // SAFETY: mapped and writable; volatile, because the reader is not this program.
        unsafe { place.write_volatile(value) }
    }

    fn read(&self, offset: usize) -> u32 {
        assert!(offset + 4 <= self.size.get() && offset.is_multiple_of(4));
        // SAFETY: within the mapping, as asserted.
        let place = unsafe { self.start.as_ptr().cast::<u8>().add(offset) }.cast::<u32>();
        // SAFETY: mapped, readable and aligned; volatile, because the writer is not this program.
        unsafe { place.read_volatile() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody holds a reference into it.
        let unmapped = unsafe { munmap(self.start, self.size.get()) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}
