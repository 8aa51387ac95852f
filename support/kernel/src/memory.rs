//! The memory of this process (madvise(2)).

use nix::errno::Errno;

/// Gives back the code and the constants that have been read from files. What is needed again is read again, most likely
/// from the page cache: for a process that has done most of its work, and stays.
pub fn give_back_code() -> std::io::Result<()> {
    for line in std::fs::read_to_string("/proc/self/maps")?.lines() {
        let Some((begin, end)) = code(line) else { continue };
        // SAFETY: the mapping is a file's, private and never written to: its pages are the same after they
        // have been read again.
        let done = unsafe { libc::madvise(begin as *mut _, end - begin, libc::MADV_DONTNEED) };
        Errno::result(done)?;
    }
    Ok(())
}

/// The addresses of a mapping of code, of a line such as `55d0…-55d1… r-xp 00002000 08:01 1234  /bin/sh`;
/// or of what lies before it in the file. (What is read-only behind it was relocated first: RELRO.)
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (begin, end) = fields.next()?.split_once('-')?;
    let (rights, offset) = (fields.next()?, fields.next()?);
    let is_clean = rights == "r-xp" || rights == "r--p" && offset == "00000000";
    if !is_clean || !fields.next_back()?.starts_with('/') {
        return None;
    }
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(begin)?, number(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_goes_on_without_its_code() {
        give_back_code().unwrap();
        assert_eq!("1".parse::<u32>(), Ok(1));
    }

    #[test]
    fn code_is_of_a_file_and_is_never_written_to() {
        assert_eq!(code("1000-3000 r-xp 00002000 08:01 1234     /bin/sh"), Some((0x1000, 0x3000)));
        assert!(code("1000-3000 r--p 00000000 08:01 1234     /bin/sh").is_some());
        for other in [
            "1000-3000 rwxp 00002000 08:01 1234     /bin/sh",
            "1000-3000 r--p 00002000 08:01 1234     /bin/sh",
            "1000-3000 r-xp 00000000 00:00 0        [vdso]",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
    }
}
