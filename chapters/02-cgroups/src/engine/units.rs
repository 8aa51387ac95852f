//! Numbers as people write them and Docker reads them: sizes such as `64m` and `1.5g`, processors
//! such as `0.5`, and plain integers. What cannot be read is refused in Docker's words.

use console::failure::{Failure, OURS};

/// An option's value that cannot be read: `why`, and how to write it.
pub(crate) fn invalid(option: &str, text: &str, why: &str, remedy: &str) -> Failure {
    let message = format!("invalid argument {text:?} for {option:?} flag: {why}");
    Failure::new(message).remedy(remedy).code(OURS)
}

/// A number of bytes: decimal, with one of the suffixes b, k, m, g, t and p, which may go on with
/// `b` or `ib`, in either case. They are powers of 1024 all of them.
pub fn size(text: &str) -> Result<u64, String> {
    let refused = || format!("invalid size: '{text}'");
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').ok_or_else(refused)? + 1;
    let (number, suffix) = text.split_at(end);
    let suffix = suffix.trim_start().to_ascii_lowercase();
    let unit = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    let number: f64 = number.parse().map_err(|_| refused())?;
    let bytes = number * 1024f64.powi(unit);
    // The kernel's numbers have a sign.
    if (0.0..i64::MAX as f64).contains(&bytes) { Ok(bytes as u64) } else { Err(refused()) }
}

/// An option's size, or how to write one.
pub(crate) fn size_of(option: &str, text: &str) -> Result<u64, Failure> {
    let remedy = "write a number and b, k, m, g or t, as 64m or 1.5g";
    size(text).map_err(|why| invalid(option, text, &why, remedy))
}

/// Processors in billionths.
pub(crate) fn nano_cpus(option: &str, text: &str) -> Result<u64, Failure> {
    let remedy = "write a decimal number, as 0.5 for half of one processor's time";
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        let why = format!("failed to parse {text} as a rational number");
        return Err(invalid(option, text, &why, remedy));
    }
    if part.len() > 9 {
        return Err(invalid(option, text, "value is too precise", "write at most nine decimals"));
    }
    // What does not fit is more than any machine has, which is for the caller to say.
    Ok(format!("{whole}{part:0<9}").parse().unwrap_or(u64::MAX))
}

/// An integer.
pub(crate) fn integer(option: &str, text: &str) -> Result<i64, Failure> {
    text.parse().map_err(|_| invalid(option, text, "invalid syntax", "write a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_docker_reads_it() {
        let sizes = ["0", "512", "512b", "6m", "6MB", "6MiB", "1.5g", ".5k", "2 T", "1e3", "1p"];
        let bytes = [0, 512, 512, 6 << 20, 6 << 20, 6 << 20, 3 << 29, 512, 2 << 40, 1000, 1 << 50];
        assert_eq!(sizes.map(|text| size(text).unwrap()), bytes);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "m", "-1", "-64m", "1.2.3m", "nan", "1e400", "9e18k", "0x", "1_0", "6 m m"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["6mm", "6ib", "6bb", "6x", "6mib2x", "6kilo", "6µ"] {
            assert!(size(text).unwrap_err().contains("invalid suffix"), "{text}");
        }
    }

    #[test]
    fn processors_are_read_exactly() {
        let cpus = ["0", "1", "0.5", ".25", "2.", "1.50", "0.000000001", "0.10000000000"];
        let nano = [0, 1_000_000_000, 500_000_000, 250_000_000, 2_000_000_000, 1_500_000_000, 1];
        assert_eq!(cpus[..7].iter().map(|c| nano_cpus("", c).unwrap()).collect::<Vec<_>>(), nano);
        assert_eq!(nano_cpus("", cpus[7]).unwrap(), 100_000_000);
        assert_eq!(nano_cpus("", "99999999999999999999").unwrap(), u64::MAX);
        for text in ["", ".", "-1", "1e3", "half", "1.2.3", "+1", " 1", "0.0000000001"] {
            assert!(nano_cpus("--cpus", text).is_err(), "{text}");
        }
    }
}
