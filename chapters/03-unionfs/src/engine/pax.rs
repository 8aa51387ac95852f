//! Extended headers (pax(1), "pax Interchange Format"): what the fields of an archive's header have no
//! room for, as records `LENGTH KEY=VALUE\n`. The length counts, not the newline: a name or the value
//! of an attribute may have one in it. The library takes records for lines, so they are read here.

use anyhow::{Context, Result, ensure};
use nix::sys::time::TimeSpec;

/// A key and its value.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Takes the records apart.
pub fn records(mut data: &[u8]) -> Result<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let (record, rest) = split(data).context("a damaged extended header")?;
        records.push(record);
        data = rest;
    }
    Ok(records)
}

fn split(data: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = data.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), &data[length..]))
}

/// A number that is not negative.
pub fn number(value: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.parse().with_context(|| format!("{:?} is no number", String::from_utf8_lossy(value)))
}

/// `1700000000.25`
pub fn time(value: &[u8]) -> Result<TimeSpec> {
    parse_time(value).with_context(|| format!("{:?} is no time", String::from_utf8_lossy(value)))
}

fn parse_time(value: &[u8]) -> Result<TimeSpec> {
    let text = std::str::from_utf8(value)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    ensure!(fraction.bytes().all(|byte| byte.is_ascii_digit()), "a fraction is of digits");
    let seconds: i64 = whole.parse()?;
    let nanoseconds: i64 = format!("{fraction:0<9.9}").parse()?;
    // Before 1970 the fraction leads further back.
    if whole.starts_with('-') && nanoseconds > 0 {
        let before = seconds.checked_sub(1).context("too long ago")?;
        return Ok(TimeSpec::new(before, 1_000_000_000 - nanoseconds));
    }
    Ok(TimeSpec::new(seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_it_says_whatever_is_in_it() {
        let data = b"14 path=a\nb=c\n11 k=5 x=y\n5 k=\n";
        let expected: [Record; 3] = [(b"path", b"a\nb=c"), (b"k", b"5 x=y"), (b"k", b"")];
        assert_eq!(records(data).unwrap(), expected);
        let bad: [&[u8]; 8] = [
            b"x",
            b"5 a=b\n",
            b"7 a=b\n",
            b"99999999999999999999 a=b\n",
            b"0 a=b\n",
            b"1 a=b\n",
            b"5 ab\n",
            b"6 a=b\n\0",
        ];
        for data in bad {
            assert!(records(data).is_err(), "{data:?}");
        }
    }

    #[test]
    fn times_have_fractions_and_may_lie_before_1970() {
        assert_eq!(time(b"1700000000.25").unwrap(), TimeSpec::new(1_700_000_000, 250_000_000));
        assert_eq!(time(b"1.1234567899").unwrap(), TimeSpec::new(1, 123_456_789));
        assert_eq!(time(b"5").unwrap(), TimeSpec::new(5, 0));
        assert_eq!(time(b"-1.5").unwrap(), TimeSpec::new(-2, 500_000_000));
        assert_eq!(time(b"-0.5").unwrap(), TimeSpec::new(-1, 500_000_000));
        let bad: [&[u8]; 5] = [b"x", b"1.-5", b"1.\xc3\xa4", b"", b"-9223372036854775808.5"];
        for bad in bad {
            assert!(time(bad).is_err(), "{bad:?}");
        }
    }
}
