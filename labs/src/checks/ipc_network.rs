//! 01.5: queues (ipc_namespaces(7)) and interfaces (network_namespaces(7)).

use testkit::{Output, Program, host, program};

use super::Found;
use super::subject::{Subject, not_run, said};
use crate::grade::Verdict;

pub(crate) fn queues(subject: &Subject) -> Found {
    let token = &subject.token;
    let key = i32::from_str_radix(&token[..7], 16).unwrap_or(0) | 1;
    let ours = |words: String| program(subject.root.at("/probe")).words(&words);
    for words in [format!("ipc create {key}"), format!("queue create /{token}")] {
        let made = ours(words).run();
        if !made.status().success() {
            return Ok(Verdict::skip(&said(&made), "use a kernel with System V and POSIX queues"));
        }
    }
    let found = |session: &Output| session.status().success();
    let missing = |session: &Output| {
        session.status().code() == Some(1) && session.errors().contains("ENOENT")
    };
    let help = "the flag for clone3(2) is CLONE_NEWIPC; it covers queues of both kinds";

    let inside = |words: String| subject.run("").arg("/probe").words(&words);
    for words in [format!("ipc find {key}"), format!("queue find /{token}")] {
        let session = inside(words.clone()).run();
        if found(&session) {
            let evidence = format!("`/probe {words}` inside: {}", session.status());
            return Ok(Verdict::fail("a queue of the host's is found inside", &evidence, help));
        }
        if !missing(&session) {
            return Ok(not_run(&session));
        }
    }
    let session = inside(format!("ipc create {}", key + 1)).run();
    if !session.status().success() {
        return Ok(not_run(&session));
    }
    let outside = ours(format!("ipc find {}", key + 1)).run();
    let evidence =
        format!("of key {key} inside: ENOENT; of key {} outside: {}", key + 1, said(&outside));
    if !missing(&outside) {
        return Ok(Verdict::fail(
            "a queue that was made inside is found on the host",
            &evidence,
            help,
        ));
    }
    Ok(Verdict::pass("each side finds its own queues only", &evidence))
}

pub(crate) fn network(subject: &Subject) -> Found {
    let (_container, pid) = subject.sleeper(subject.run(""))?;
    let (theirs, ours) = (host::namespace(pid, "net"), host::namespace("self", "net"));
    let names = interfaces(pid);
    let evidence = format!(
        "/proc/{pid}/ns/net is net:[{theirs}], the host's net:[{ours}]; /proc/{pid}/net/dev lists {names:?}"
    );
    if theirs == ours {
        let help = "the flag for clone3(2) is CLONE_NEWNET";
        return Ok(Verdict::fail("the command is in the host's network", &evidence, help));
    }
    if names != ["lo"] {
        let help = "a new network namespace has lo alone; in this chapter nothing is added";
        return Ok(Verdict::fail("there is more than lo, or less", &evidence, help));
    }
    Ok(Verdict::pass("a network of its own with lo alone", &evidence))
}

pub(crate) fn loopback(subject: &Subject) -> Found {
    let (_container, pid) = subject.sleeper(subject.run(""))?;
    let session = in_network(pid, program(subject.root.at("/probe")).arg("interfaces")).run();
    if !session.status().success() {
        return Ok(Verdict::skip(&said(&session), "install util-linux, which has nsenter"));
    }
    let evidence = format!("in the network of process {pid}: {:?}", session.trimmed());
    if session.text().lines().any(|line| line == "lo up") {
        return Ok(Verdict::pass("lo is up", &evidence));
    }
    let help = "lo is there from the beginning, but down: set IFF_UP (netdevice(7)) from inside the namespace";
    Ok(Verdict::fail("127.0.0.1 does not answer: lo is down", &evidence, help))
}

/// Runs our own probe in somebody else's network: it has our root, and so our /proc.
fn in_network(pid: i32, program: Program) -> Program {
    program.under(&format!("nsenter --net=/proc/{pid}/ns/net --"))
}

/// The names in the file, behind its two lines of heading.
fn interfaces(pid: i32) -> Vec<String> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    let names = table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    names.collect()
}
