//! `-c`: instructions of a Dockerfile that change how an image is run.

use crate::engine::image::Settings;
use anyhow::Result;
use console::failure::Failure;
use kernel::signal::Signal;
use serde_json::json;
use std::path::Path;
use std::str::FromStr;

/// The instructions that are known here.
const KNOWN: &str = "CMD ENTRYPOINT ENV EXPOSE LABEL STOPSIGNAL USER VOLUME WORKDIR";

/// Makes these changes, one after the other.
///
/// # Errors
/// In Docker's words, if one is no instruction, or not written as it has to be.
pub fn apply(settings: &mut Settings, changes: &[String]) -> Result<()> {
    let mut has_command = false;
    for change in changes {
        let change = change.trim();
        let (name, text) = change.split_once(char::is_whitespace).unwrap_or((change, ""));
        let name = name.to_uppercase();
        let text = text.trim();
        if text.is_empty() {
            let wrong = if KNOWN.split(' ').any(|known| known == name) {
                misuse(&format!("{name} requires at least one argument"))
            } else {
                unknown(change, &name)
            };
            return Err(wrong.into());
        }
        match name.as_str() {
            "CMD" => {
                settings.cmd = Some(command(text));
                has_command = true;
            }
            "ENTRYPOINT" => {
                settings.entrypoint = Some(command(text)).filter(|words| !words.is_empty());
                // It was an argument of the old one.
                if !has_command {
                    settings.cmd = None;
                }
            }
            "ENV" => {
                for (name, value) in pairs(text, &settings.env)? {
                    let prefix = format!("{name}=");
                    let entry = prefix.clone() + &value;
                    match settings.env.iter_mut().find(|entry| entry.starts_with(&prefix)) {
                        Some(known) => *known = entry,
                        None => settings.env.push(entry),
                    }
                }
            }
            "LABEL" => settings.labels.extend(pairs(text, &settings.env)?),
            "USER" => settings.user = one(&name, text, &settings.env)?,
            "WORKDIR" => {
                let to = one(&name, text, &settings.env)?;
                let here = Path::new("/").join(&settings.working_dir).join(to);
                settings.working_dir = clean(&here);
            }
            "EXPOSE" => {
                for port in words(text, &settings.env)? {
                    settings.exposed_ports.extend(ports(&port)?.map(|port| (port, json!({}))));
                }
            }
            "VOLUME" => {
                let paths = match array(text) {
                    Some(paths) => paths,
                    None => words(text, &settings.env)?,
                };
                settings.volumes.extend(paths.into_iter().map(|path| (path, json!({}))));
            }
            "STOPSIGNAL" => {
                let signal = one(&name, text, &settings.env)?;
                let number = signal.parse().is_ok_and(|number: u8| (1..=64).contains(&number));
                let long = format!("SIG{}", signal.trim_start_matches("SIG"));
                if !number && Signal::from_str(&long).is_err() {
                    return Err(misuse(&format!("Invalid signal: {signal}")).into());
                }
                settings.stop_signal = Some(signal);
            }
            _ => return Err(unknown(change, &name).into()),
        }
    }
    // A command line has none, but JSON can spell it.
    match settings.with_nul() {
        Some(text) => Err(misuse(&format!("{text:?} has a NUL byte in it")).into()),
        None => Ok(()),
    }
}

fn unknown(change: &str, name: &str) -> Failure {
    let words = format!("-c {change:?}: {name} is not a valid change command");
    Failure::new(words).remedy(format!("those that are known: {KNOWN}"))
}

fn misuse(words: &str) -> Failure {
    Failure::new(words).remedy("changes are written as in a Dockerfile: -c 'ENV NAME=value'")
}

/// `["a", "b"]` as it is; anything else is for a shell.
fn command(text: &str) -> Vec<String> {
    array(text).unwrap_or_else(|| ["/bin/sh", "-c", text].map(String::from).to_vec())
}

fn array(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

fn one(name: &str, text: &str, env: &[String]) -> Result<String> {
    let mut words = words(text, env)?;
    match (words.pop(), words.pop()) {
        (Some(word), None) => Ok(word),
        _ => Err(misuse(&format!("{name} requires exactly one argument")).into()),
    }
}

/// `A=1 B="2 3"`; in the older way, `A 1 2` is one, too.
fn pairs(text: &str, env: &[String]) -> Result<Vec<(String, String)>> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let Some((name, value)) = text.split_once(char::is_whitespace) else {
            let words = format!("{text}: there is no value: use {text}=value");
            return Err(misuse(&words).into());
        };
        return Ok(vec![(name.into(), words(value, env)?.join(" "))]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(misuse(&format!("Syntax error - can't find = in {word:?}")).into()),
    };
    words(text, env)?.into_iter().map(pair).collect()
}

/// Words as a shell reads them: quotes, backslashes, and variables, which are those of the image.
fn words(text: &str, env: &[String]) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                words.extend(word.take());
                continue;
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') if rest.peek().is_some() => {
                word.get_or_insert_default().extend(rest.next());
            }
            (None | Some('"'), '$') => {
                let braced = rest.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                if braced && rest.next_if_eq(&'}').is_none() || name.is_empty() {
                    let words = format!("{text:?}: a variable is written $NAME or ${{NAME}}");
                    return Err(misuse(&words).into());
                }
                let value = env.iter().find_map(|entry| {
                    entry.strip_prefix(&name).and_then(|rest| rest.strip_prefix('='))
                });
                *word.get_or_insert_default() += value.unwrap_or_default();
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(misuse(&format!("{text:?}: a quote has no end")).into());
    }
    words.extend(word);
    Ok(words)
}

/// `80`, `80/tcp`, `8000-8002/udp`
fn ports(text: &str) -> Result<impl Iterator<Item = String>> {
    let wrong = || misuse(&format!("invalid containerPort: {text}"));
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let [first, last] = [first, last].map(str::parse::<u16>);
    let (first, last) = (first.map_err(|_| wrong())?, last.map_err(|_| wrong())?);
    if first > last || !matches!(&*protocol, "tcp" | "udp" | "sctp") {
        return Err(wrong().into());
    }
    Ok((first..=last).map(move |port| format!("{port}/{protocol}")))
}

/// The path without `.` and `..`.
fn clean(path: &Path) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.to_str().unwrap_or("/").split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(changes: &[&str]) -> Result<serde_json::Value> {
        let mut settings = Settings { cmd: Some(vec!["old".into()]), ..Settings::default() };
        let changes: Vec<String> = changes.iter().map(|change| change.to_string()).collect();
        apply(&mut settings, &changes)?;
        Ok(serde_json::to_value(settings)?)
    }

    #[test]
    fn instructions_change_settings() {
        let settings = after(&[
            "CMD echo $HOME",
            r#"ENTRYPOINT ["/bin/e", "x"]"#,
            r#"ENV A=1 B="2 $A" C=it\'s"#,
            "env D one  two",
            "ENV A=3",
            "LABEL x=y 'a b'=\"c\"",
            "USER me:us",
            "WORKDIR /srv",
            "WORKDIR ../data/./x",
            "EXPOSE 80 53/UDP 8000-8001",
            r#"VOLUME ["/v"]"#,
            "VOLUME /w /x",
            "STOPSIGNAL SIGQUIT",
        ]);
        let wanted = json!({
            "User": "me:us",
            "ExposedPorts": {"53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {}},
            "Env": ["A=3", "B=2 ", "C=it's", "D=one two"],
            "Entrypoint": ["/bin/e", "x"],
            "Cmd": ["/bin/sh", "-c", "echo $HOME"],
            "Volumes": {"/v": {}, "/w": {}, "/x": {}},
            "WorkingDir": "/data/x",
            "Labels": {"a b": "c", "x": "y"},
            "StopSignal": "SIGQUIT",
        });
        assert_eq!(settings.unwrap(), wanted);
        assert_eq!(after(&["ENV P=/bin", "ENV P=$P:/x Q=${P}y"]).unwrap()["Env"][1], "Q=/biny");
        // A new entrypoint does not go with the old command.
        assert!(after(&["ENTRYPOINT [\"e\"]"]).unwrap().get("Cmd").is_none());
    }

    #[test]
    fn what_is_no_instruction_is_refused() {
        for bad in [
            "",
            "FROM x",
            "CMD",
            "ENV",
            "ENV A",
            "ENV A=1 B",
            "ENV =1",
            "USER a b",
            "EXPOSE http",
            "EXPOSE 2-1",
            "EXPOSE 1/icmp",
            "EXPOSE 70000",
            "STOPSIGNAL SIGNO",
            "STOPSIGNAL 65",
            "LABEL x='",
            "WORKDIR $",
            "ONBUILD CMD x",
        ] {
            assert!(after(&[bad]).is_err(), "{bad}");
        }
        let error = after(&["FROM x"]).unwrap_err().to_string();
        assert!(error.contains("FROM is not a valid change command"), "{error}");
    }
}
