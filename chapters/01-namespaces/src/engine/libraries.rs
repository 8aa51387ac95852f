//! Where a program's libraries are, by the rules of ld.so(8), and where its loader will look for them in the lab.
//! A program copied without them fails with "No such file or directory" though it is there: it is the
//! loader that execve does not find. The lab has no ld.so.cache, so a library goes where no cache is needed.

use std::collections::{HashSet, VecDeque};
use std::env::consts::ARCH;
use std::ffi::OsStr;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::elf::Elf;

/// Where the lab keeps every library that is found by its bare name. The usual library directories
/// are links to this one there, so each loader has it among its defaults, whatever the distribution.
const LIBRARIES: &str = "/lib";
/// The usual library directories; a loader that lives in none of them does not search them either.
const USUAL: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
/// Read by the C library itself when it looks up a user or a host (up to glibc 2.33): no header names them.
const OPENED_BY_LIBC: [&str; 2] = ["libnss_files.so.2", "libnss_dns.so.2"];

/// Musl's loader is its C library too, and answers to these names (with `lib` before and a dot behind) without a file.
const MUSL_ITSELF: [&str; 7] = ["c", "pthread", "rt", "m", "dl", "util", "xnet"];

/// A file that a program needs: where this host has it, and where the loader will look inside the lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Needed {
    /// Here.
    pub host: PathBuf,
    /// There.
    pub lab: PathBuf,
}

/// A directory that is searched: its place on the host, and the same words read in the lab.
type Searched = (PathBuf, PathBuf);

/// Every file that the program `host` needs besides itself once it stands at `lab` in the lab, its loader first.
pub fn needs(host: &Path, lab: &Path) -> Result<Vec<Needed>> {
    let program = Elf::read(host)?;
    let Some(interpreter) = program.interpreter.clone() else {
        return Ok(Vec::new());
    };
    ensure!(interpreter.is_file(), "its loader {} is not there", interpreter.display());
    let defaults = default_directories(&interpreter);
    let musl = musl_machine(&interpreter).is_some();
    // A library is loaded once, under the name it was first asked for, and the loader is one of them already.
    let mut loaded: HashSet<String> =
        interpreter.file_name().and_then(OsStr::to_str).map(str::to_owned).into_iter().collect();
    let mut needs = vec![Needed { host: interpreter.clone(), lab: interpreter }];
    let mut queue = VecDeque::from([(
        program,
        Needed { host: host.to_owned(), lab: lab.to_owned() },
        Vec::new(),
    )]);
    while let Some((object, at, inherited)) = queue.pop_front() {
        let expand = |paths: &[String]| -> Vec<Searched> {
            let places = paths.iter().map(|path| (expand(path, &at.host), expand(path, &at.lab)));
            places
                .map(|(host, lab)| {
                    // A directory that is searched anyway needs no second place in the lab.
                    let known = defaults.iter().find(|(default, _)| same_file(default, &host));
                    (host, known.map_or(lab, |(_, place)| place.clone()))
                })
                .collect()
        };
        // DT_RUNPATH silences DT_RPATH, its own and those of the objects that led here.
        let (own, passed_on) = if object.runpath.is_empty() {
            let all: Vec<Searched> = expand(&object.rpath).into_iter().chain(inherited).collect();
            (all.clone(), all)
        } else {
            (expand(&object.runpath), inherited)
        };
        for name in object.needed {
            if (musl && is_musl_itself(&name)) || !loaded.insert(name.clone()) {
                continue;
            }
            let (found, library) = find(&name, own.iter().chain(&defaults))
                .with_context(|| format!("library {name}, needed by {}", at.host.display()))?;
            let beside = if name == "libc.so.6" { OPENED_BY_LIBC.as_slice() } else { &[] };
            for name in beside {
                let extra = Needed {
                    host: found.host.with_file_name(name),
                    lab: found.lab.with_file_name(name),
                };
                if let Ok(library) = Elf::read(&extra.host) {
                    needs.push(extra.clone());
                    queue.push_back((library, extra, passed_on.clone()));
                }
            }
            needs.push(found.clone());
            queue.push_back((library, found, passed_on.clone()));
        }
    }
    Ok(needs)
}

/// The first directory's file of that name that is a library for this machine: a 32-bit one, or a
/// linker script under the same name, is passed over as ld.so does.
fn find<'a>(
    name: &str,
    mut directories: impl Iterator<Item = &'a Searched>,
) -> Result<(Needed, Elf)> {
    if name.contains('/') {
        return Ok((Needed { host: name.into(), lab: name.into() }, Elf::read(Path::new(name))?));
    }
    directories
        .find_map(|(host, lab)| {
            let host = host.join(name);
            Elf::read(&host).ok().map(|library| (Needed { host, lab: lab.join(name) }, library))
        })
        .context("is in none of the directories that the loader searches; install the package that has it")
}

/// Whether both paths lead to one file, as /lib/x and /usr/lib/x do on most hosts.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// Writes the words of ld.so(8) out: $ORIGIN is the directory of the object, $LIB and $PLATFORM are the machine's.
fn expand(path: &str, object: &Path) -> PathBuf {
    let origin = object.parent().unwrap_or(Path::new("/")).to_string_lossy();
    let library = if Path::new("/lib").join(triplet()).is_dir() {
        format!("lib/{}", triplet())
    } else {
        "lib64".into()
    };
    let words = [("ORIGIN", origin.as_ref()), ("LIB", &library), ("PLATFORM", ARCH)];
    let written = words.iter().fold(path.to_owned(), |path, (word, value)| {
        path.replace(&format!("${{{word}}}"), value).replace(&format!("${word}"), value)
    });
    PathBuf::from(written)
}

/// The machine's name in Debian's library directories.
fn triplet() -> String {
    format!("{ARCH}-linux-gnu")
}

/// The directories that this loader searches when the object itself names none that helps.
fn default_directories(interpreter: &Path) -> Vec<Searched> {
    let here = interpreter.parent().unwrap_or(Path::new("/"));
    let real = fs::canonicalize(interpreter).unwrap_or_else(|_| interpreter.to_owned());
    let usual = |path: &Path| USUAL.iter().any(|usual| path.starts_with(usual));
    if !usual(interpreter) && !usual(&real) {
        // A loader in a store of its own (Nix, Guix) searches its own directory, in the lab as here.
        return vec![(here.to_owned(), here.to_owned())];
    }
    let mut directories = Vec::new();
    if let Some(machine) = musl_machine(interpreter) {
        let file = format!("/etc/ld-musl-{machine}.path");
        match fs::read_to_string(file) {
            Ok(text) => directories
                .extend(text.split([':', '\n']).filter(|path| !path.is_empty()).map(PathBuf::from)),
            Err(_) => directories.extend(["/lib", "/usr/local/lib", "/usr/lib"].map(PathBuf::from)),
        }
    } else {
        // Without a configuration the defaults are all there is, as for ld.so.
        directories = configured(Path::new("/etc/ld.so.conf"), 0);
        directories.extend(["/lib", "/usr/lib"].map(|top| Path::new(top).join(triplet())));
        directories.extend(USUAL.map(PathBuf::from));
    }
    directories.into_iter().map(|directory| (directory, PathBuf::from(LIBRARIES))).collect()
}

/// The machine in the name of musl's loader (ld-musl-x86_64.so.1), none for another loader.
fn musl_machine(interpreter: &Path) -> Option<&str> {
    let name = interpreter.file_name()?.to_str()?;
    name.strip_prefix("ld-musl-")?.split('.').next()
}

/// Whether musl's loader takes the name for itself.
fn is_musl_itself(name: &str) -> bool {
    let word = name.strip_prefix("lib").and_then(|rest| rest.split_once('.'));
    word.is_some_and(|(word, _)| MUSL_ITSELF.contains(&word))
}

/// The directories of an ld.so.conf, and of the files that it includes (a path, or one with `*` in its last part).
/// A file that cannot be read adds none, as for ldconfig(8).
fn configured(file: &Path, depth: usize) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    // Files that include each other in a ring must not hold us for ever.
    if depth > 8 {
        return directories;
    }
    let here = file.parent().unwrap_or(Path::new("/"));
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words =
            line.split([' ', '\t', ':', ',']).filter(|word| !word.is_empty()).peekable();
        if words.next_if_eq(&"include").is_some() {
            let files = words.flat_map(|pattern| matching(&here.join(pattern)).unwrap_or_default());
            directories.extend(files.flat_map(|file| configured(&file, depth + 1)));
        } else {
            directories.extend(words.filter(|word| word.starts_with('/')).map(PathBuf::from));
        }
    }
    directories
}

/// The files that a pattern means, in the order of their names.
fn matching(pattern: &Path) -> Result<Vec<PathBuf>, Error> {
    let last = pattern.file_name().and_then(OsStr::to_str).ok_or(ErrorKind::InvalidInput)?;
    let Some((start, end)) = last.split_once('*') else {
        return Ok(vec![pattern.to_owned()]);
    };
    let directory = pattern.parent().unwrap_or(Path::new("/"));
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Error>>()?;
    files.retain(|path| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    });
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::process::Command;

    #[test]
    fn what_we_find_is_what_the_loader_finds() {
        let program = std::env::current_exe().expect("a test has an executable");
        let interpreter = Elf::read(&program).expect("it is ELF").interpreter;
        let Some(interpreter) = interpreter else {
            return testkit::skip(
                "this test binary is static",
                "build the tests for a glibc target",
            );
        };
        let listed = Command::new(&interpreter)
            .arg("--list")
            .arg(&program)
            .output()
            .expect("the loader runs");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let theirs: BTreeSet<PathBuf> = listed
            .lines()
            .filter_map(|line| fs::canonicalize(line.split("=> ").nth(1)?.split(" (").next()?).ok())
            .collect();
        assert!(!theirs.is_empty(), "the loader lists libraries: {listed}");
        let ours: BTreeSet<PathBuf> = needs(&program, &program)
            .expect("its libraries are found")
            .into_iter()
            .filter(|needed| !OPENED_BY_LIBC.iter().any(|name| needed.host.ends_with(name)))
            .map(|needed| fs::canonicalize(needed.host).expect("it is there"))
            .filter(|path| {
                theirs.contains(path)
                    || *path != fs::canonicalize(&interpreter).expect("it is there")
            })
            .collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_linker_script_is_passed_over() {
        let (scripts, real) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(scripts.path().join("libx.so"), "GROUP ( /lib/libx.so.1 )").unwrap();
        fs::copy(std::env::current_exe().unwrap(), real.path().join("libx.so")).unwrap();
        let searched =
            [scripts.path(), real.path()].map(|path| (path.to_owned(), PathBuf::from(LIBRARIES)));
        let (found, _) = find("libx.so", searched.iter()).expect("the second is ELF");
        assert_eq!(found, Needed { host: real.path().join("libx.so"), lab: "/lib/libx.so".into() });
        let error = find("libx.so", searched[..1].iter()).expect_err("a script is no library");
        assert!(error.to_string().contains("install"), "{error}");
    }

    #[test]
    fn the_configuration_is_read_with_what_it_includes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(
            at("ld.so.conf"),
            "/first # a word\ninclude d/*.conf\n\tinclude absent.conf\n/last\n",
        )
        .unwrap();
        fs::write(at("d/b.conf"), "/b1 /b2\n").unwrap();
        fs::write(at("d/a.conf"), "/a:/c\n").unwrap();
        fs::write(at("d/a.txt"), "/not-a-configuration\n").unwrap();
        let words: Vec<PathBuf> =
            ["/first", "/a", "/c", "/b1", "/b2", "/last"].map(PathBuf::from).into();
        assert_eq!(configured(&at("ld.so.conf"), 0), words);
        // A file that includes itself comes to an end.
        fs::write(at("d/a.conf"), "include a.conf\n").unwrap();
        let words: Vec<PathBuf> = ["/first", "/b1", "/b2", "/last"].map(PathBuf::from).into();
        assert_eq!(configured(&at("ld.so.conf"), 0), words);
    }

    #[test]
    fn the_words_of_a_search_path_are_written_out() {
        let object = Path::new("/opt/tool/bin/x");
        assert_eq!(expand("$ORIGIN/../lib", object), Path::new("/opt/tool/bin/../lib"));
        assert_eq!(expand("${ORIGIN}/${PLATFORM}", object), Path::new("/opt/tool/bin").join(ARCH));
        assert_eq!(expand("/usr/lib/y", object), Path::new("/usr/lib/y"));
    }

    #[test]
    fn musl_needs_no_file_for_its_own_names() {
        assert_eq!(musl_machine(Path::new("/lib/ld-musl-aarch64.so.1")), Some("aarch64"));
        assert_eq!(musl_machine(Path::new("/lib64/ld-linux-x86-64.so.2")), None);
        assert!(is_musl_itself("libc.musl-x86_64.so.1") && is_musl_itself("libpthread.so.0"));
        assert!(!is_musl_itself("libcrypto.so.3") && !is_musl_itself("libmnl.so.0"));
    }

    #[test]
    fn a_loader_outside_the_usual_directories_searches_its_own() {
        let store = tempfile::tempdir().unwrap();
        let here = store.path().to_owned();
        assert_eq!(default_directories(&here.join("ld.so.1")), [(here.clone(), here)]);
        assert!(
            default_directories(Path::new("/lib64/ld.so.1"))
                .iter()
                .all(|(_, lab)| lab == LIBRARIES)
        );
    }
}
