//! `ps --filter`: which containers are meant, as Docker reads it.

use crate::container::Record;
use crate::engine::live::Status;
use crate::engine::ps::Entry;
use crate::engine::store::Store;
use crate::engine::words;
use anyhow::Result;
use console::failure::{Failure, OURS};

/// The states that Docker knows.
const STATES: [&str; 7] =
    ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/// What was asked for. Of each kind, one has to fit; of labels, all.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    ids: Vec<String>,
    names: Vec<String>,
    labels: Vec<String>,
    states: Vec<String>,
    codes: Vec<i64>,
    ancestors: Vec<String>,
    before: Option<String>,
    since: Option<String>,
}

/// An image that containers may lie on.
struct Ancestor {
    name: String,
    id: Option<String>,
    layers: Vec<String>,
}

impl Filters {
    /// Reads the options.
    ///
    /// # Errors
    /// In Docker's words: a filter or a value that it does not know.
    pub(crate) fn parse(texts: &[String]) -> Result<Filters> {
        let mut filters = Filters::default();
        for text in texts {
            let (key, value) = text.split_once('=').ok_or_else(|| no_filter(text))?;
            let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
            match &*key {
                "id" => filters.ids.push(value),
                "name" => filters.names.push(value),
                "label" => filters.labels.push(value),
                "status" if !STATES.contains(&&*value) => return Err(no_state(&value)),
                "status" => filters.states.push(value),
                "exited" => filters.codes.push(value.parse().map_err(|_| no_code(&value))?),
                "ancestor" => filters.ancestors.push(value),
                "before" => filters.before = Some(value),
                "since" => filters.since = Some(value),
                _ => return Err(unknown(&key)),
            }
        }
        Ok(filters)
    }

    /// Whether those that do not run are asked for, too.
    pub(crate) fn ask_for_a_state(&self) -> bool {
        !self.states.is_empty()
    }

    /// Those that fit, of all, the youngest first.
    pub(crate) fn chosen(&self, all: Vec<Entry>, store: &Store) -> Result<Vec<Entry>> {
        let ancestors: Vec<Ancestor> =
            self.ancestors.iter().map(|name| Ancestor::find(name, store)).collect::<Result<_>>()?;
        let end = match &self.since {
            Some(text) => position(&all, text)?,
            None => all.len(),
        };
        let begin = match &self.before {
            Some(text) => position(&all, text)? + 1,
            None => 0,
        };
        let between = all.into_iter().take(end).skip(begin);
        Ok(between.filter(|entry| self.fit(entry, &ancestors)).collect())
    }

    fn fit(&self, entry: &Entry, ancestors: &[Ancestor]) -> bool {
        let record = entry.seen.as_ref().map(|seen| &seen.record);
        any(&self.ids, |text| fits(text, &entry.id))
            && any(&self.names, |text| {
                fits(text, &entry.name) || fits(text, &format!("/{}", entry.name))
            })
            && any(&self.states, |state| state == entry.state)
            && any(&self.codes, |code| ended_with(entry) == Some(*code))
            && any(ancestors, |image| record.is_some_and(|record| image.is_below(record)))
            && self.labels.iter().all(|label| record.is_some_and(|record| has(record, label)))
    }
}

impl Ancestor {
    fn find(name: &str, store: &Store) -> Result<Ancestor> {
        let image = store.layout().find(name)?;
        let layers = image.as_ref().map_or(Vec::new(), |image| image.chain_ids());
        let id = image.map(|image| image.id.to_string());
        Ok(Ancestor { name: name.into(), id, layers })
    }

    /// Whether a container lies on it, or on an image that was made of it.
    fn is_below(&self, record: &Record) -> bool {
        let more = record.layers.len() > self.layers.len() && !self.layers.is_empty();
        match &self.id {
            Some(id) => {
                record.image.as_ref() == Some(id) || more && record.layers.starts_with(&self.layers)
            }
            // `lab`, a directory, or an image that is gone.
            None => record.root == self.name,
        }
    }
}

/// Where nothing is asked for, everything fits.
fn any<T>(asked: &[T], fits: impl Fn(&T) -> bool) -> bool {
    asked.is_empty() || asked.iter().any(fits)
}

/// Whether a text is in another one; `^` stands for its beginning, and `$` for its end. Docker takes any
/// regular expression.
fn fits(asked: &str, text: &str) -> bool {
    let (begins, asked) = asked.strip_prefix('^').map_or((false, asked), |rest| (true, rest));
    let (ends, asked) = asked.strip_suffix('$').map_or((false, asked), |rest| (true, rest));
    match (begins, ends) {
        (true, true) => text == asked,
        (true, false) => text.starts_with(asked),
        (false, true) => text.ends_with(asked),
        (false, false) => text.contains(asked),
    }
}

fn has(record: &Record, label: &str) -> bool {
    let labels = &record.settings.labels;
    match label.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
        None => labels.contains_key(label),
    }
}

fn ended_with(entry: &Entry) -> Option<i64> {
    let seen = entry.seen.as_ref().filter(|seen| seen.status == Status::Exited)?;
    Some(seen.state.exit_code.into())
}

/// Where the container is that is meant by a name, an id, or the beginning of one.
fn position(all: &[Entry], text: &str) -> Result<usize> {
    let mut exact = all.iter();
    if let Some(index) = exact.position(|entry| entry.name == text || entry.id == text) {
        return Ok(index);
    }
    let begins = |index: &usize| !text.is_empty() && all[*index].id.starts_with(text);
    let mut begin = (0..all.len()).filter(begins);
    match (begin.next(), begin.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err(words::ambiguous(text)),
        (None, _) => Err(words::no_such_container(text, Vec::new())),
    }
}

fn no_filter(text: &str) -> anyhow::Error {
    let words = format!(
        "invalid argument {text:?} for \"-f, --filter\" flag: bad format of filter (expected name=value)"
    );
    Failure::new(words).remedy("write KEY=VALUE, as status=exited").code(OURS).into()
}

fn unknown(key: &str) -> anyhow::Error {
    let failure = Failure::new(format!("invalid filter '{key}'"));
    let known = "one of id, name, label, status, exited, ancestor, before, since";
    failure.remedy(known).code(1).into()
}

fn no_state(value: &str) -> anyhow::Error {
    let states = STATES.join(", ");
    let words = format!(
        "invalid filter 'status={value}': invalid value for state ({value}): must be one of {states}"
    );
    Failure::new(words).remedy("one that has ended is exited").code(1).into()
}

fn no_code(value: &str) -> anyhow::Error {
    let words =
        format!("invalid filter 'exited={value}': strconv.Atoi: parsing {value:?}: invalid syntax");
    Failure::new(words).remedy("write an exit code, as exited=137").code(1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_in_the_middle_or_where_it_says() {
        for (asked, text, expected) in [
            ("eb", "web-1", true),
            ("^web", "web-1", true),
            ("^eb", "web-1", false),
            ("-1$", "web-1", true),
            ("web$", "web-1", false),
            ("^web-1$", "web-1", true),
            ("^web$", "web-1", false),
            ("", "web-1", true),
            ("^/web", "/web-1", true),
        ] {
            assert_eq!(fits(asked, text), expected, "{asked} in {text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused_in_its_words() {
        for (text, words, code) in [
            ("foo", "bad format of filter (expected name=value)", OURS),
            ("foo=bar", "invalid filter 'foo'", 1),
            ("status=stopped", "'status=stopped': invalid value for state (stopped)", 1),
            ("exited=x", r#"'exited=x': strconv.Atoi: parsing "x": invalid syntax"#, 1),
        ] {
            let error = Filters::parse(&[text.to_owned()]).unwrap_err();
            let failure = error.downcast_ref::<Failure>().unwrap();
            assert!(failure.message.contains(words), "{}", failure.message);
            assert_eq!((failure.code, failure.remedy.is_some()), (Some(code), true), "{text}");
        }
    }
}
