//! The functions that the compiler itself calls, which a C library provides elsewhere.
//!
//! Plain loops: nothing that the probe copies is large.

/// Copies `count` bytes between places that do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller answers for `count` bytes at both places.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// Copies `count` bytes; where the places overlap, the end that is read last is written last.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.cast_const() <= from {
        // SAFETY: as for this function; going up never overwrites what is still to be read.
        return unsafe { memcpy(to, from, count) };
    }
    for index in (0..count).rev() {
        // SAFETY: the caller answers for `count` bytes at both places.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// Sets `count` bytes to `value`.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller answers for `count` bytes.
        unsafe { *to.add(index) = value as u8 };
    }
    to
}

/// Compares `count` bytes: negative, zero or positive, as the first difference says.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller answers for `count` bytes at both places.
        let pair = unsafe { (*left.add(index), *right.add(index)) };
        if pair.0 != pair.1 {
            return i32::from(pair.0) - i32::from(pair.1);
        }
    }
    0
}

/// As `memcmp`, for callers that ask only whether there is a difference.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: as for this function.
    unsafe { memcmp(left, right, count) }
}

/// The length of a string that ends with a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(string: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller answers for every byte up to the zero.
    while unsafe { *string.add(length) } != 0 {
        length += 1;
    }
    length
}

/// Named by the unwinding tables of `core`, which is compiled once for all. The probe's panics end
/// it at once, so nobody calls this.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
