//! When an image was made. The time of day would give the same content another id each time; so it
//! is SOURCE_DATE_EPOCH (reproducible-builds.org), or when the last of its files was changed.

use crate::engine::moment;
use anyhow::{Context, Result};
use console::failure::Failure;

/// The last second with a year of four digits.
const LAST: i64 = 253_402_300_799;

/// SOURCE_DATE_EPOCH, if it is set: no file of a layer is newer.
pub fn asked() -> Result<Option<i64>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    let number = number.filter(|number| (0..=LAST).contains(number));
    let failure = || {
        let failure = Failure::new(format!("SOURCE_DATE_EPOCH: {text:?} is no number of seconds"));
        failure.remedy("unset it, or set it to seconds since 1970: date +%s")
    };
    number.map(Some).with_context(failure)
}

/// The moment to write down.
pub fn created(asked: Option<i64>, newest: Option<i64>) -> String {
    moment::format(asked.or(newest).unwrap_or(0).clamp(0, LAST))
}
