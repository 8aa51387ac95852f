//! Trials of the network, each for a child with a network namespace of its own: virtual links
//! (rtnetlink(7)), nftables, forwarding. And one look at the host's rules: which would drop what a
//! bridge forwards.

use super::netlink::{Attributes, CREATE, DUMP, Message, Socket, attributes};
use super::{Found, Refused};
use crate::error::Result;
use std::fs;

/// Attributes of a link (rtnetlink(7), linux/if_link.h).
mod link {
    pub(super) const NAME: u16 = 3;
    pub(super) const INFO: u16 = 18;
    pub(super) const KIND: u16 = 1;
    pub(super) const DATA: u16 = 2;
    pub(super) const PEER: u16 = 1;
    /// An empty `struct ifinfomsg`.
    pub(super) const FIXED: [u8; 16] = [0; 16];
}

/// Messages and attributes of nftables (linux/netfilter/nf_tables.h).
mod nf {
    const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;
    pub(super) const NEW_TABLE: u16 = SUBSYSTEM;
    pub(super) const NEW_CHAIN: u16 = SUBSYSTEM | 3;
    pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
    pub(super) const NEW_RULE: u16 = SUBSYSTEM | 6;
    pub(super) const GET_RULE: u16 = SUBSYSTEM | 7;
    pub(super) const BEGIN: u16 = 0x10;
    pub(super) const END: u16 = 0x11;

    pub(super) const TABLE_NAME: u16 = 1;
    pub(super) const CHAIN_TABLE: u16 = 1;
    pub(super) const CHAIN_NAME: u16 = 3;
    pub(super) const CHAIN_HOOK: u16 = 4;
    pub(super) const CHAIN_POLICY: u16 = 5;
    pub(super) const CHAIN_TYPE: u16 = 7;
    pub(super) const HOOK_NUMBER: u16 = 1;
    pub(super) const HOOK_PRIORITY: u16 = 2;
    pub(super) const RULE_TABLE: u16 = 1;
    pub(super) const RULE_CHAIN: u16 = 2;
    pub(super) const RULE_EXPRESSIONS: u16 = 4;
    pub(super) const ELEMENT: u16 = 1;
    pub(super) const EXPRESSION_NAME: u16 = 1;
    pub(super) const EXPRESSION_DATA: u16 = 2;

    pub(super) const DROP: u32 = 0;
    pub(super) const FORWARD: u32 = libc::NF_INET_FORWARD as u32;
    pub(super) const POST_ROUTING: u32 = libc::NF_INET_POST_ROUTING as u32;

    /// `struct nfgenmsg`: family, version, and, for a batch, whose it is.
    pub(super) fn fixed(family: u8, resource: u16) -> [u8; 4] {
        let [high, low] = resource.to_be_bytes();
        [family, 0, high, low]
    }
}

/// Makes a pair of connected links.
pub fn veth() -> Found {
    let peer = Attributes::new().text(link::NAME, "trial1");
    let data = Attributes::new().nest(link::PEER, &link::FIXED, peer);
    let info = Attributes::new().text(link::KIND, "veth").nest(link::DATA, &[], data);
    new_link("trial0", info)
}

/// Makes a bridge.
pub fn bridge() -> Found {
    new_link("trial0", Attributes::new().text(link::KIND, "bridge"))
}

fn new_link(name: &str, info: Attributes) -> Found {
    let message = Message::new(libc::RTM_NEWLINK, CREATE, &link::FIXED)
        .text(link::NAME, name)
        .nest(link::INFO, &[], info);
    Socket::open(libc::NETLINK_ROUTE)?.ask("RTM_NEWLINK", vec![message], 1)?;
    // Not a link of that kind at all, if the kernel took the message for another.
    match fs::read_to_string("/proc/self/net/dev") {
        Ok(table) if table.contains(name) => Ok("can be made".into()),
        _ => Err(Refused::new("the new link is not in /proc/self/net/dev")),
    }
}

/// Makes a table, in it a chain that translates addresses, in that a rule that masquerades.
pub fn nftables() -> Found {
    let socket = Socket::open(libc::NETLINK_NETFILTER)?;
    let part = |what: &'static str| {
        move |error: crate::Error| Refused {
            words: format!("{what}: {}", crate::error::describe(error.errno)),
            ..error.into()
        }
    };
    change(&socket, table("trial")).map_err(part("nf_tables"))?;
    let chain = chain("trial", "post", "nat", nf::POST_ROUTING, 1);
    change(&socket, chain).map_err(part("chains of type nat"))?;
    let masquerade = Attributes::new().text(nf::EXPRESSION_NAME, "masq").nest(
        nf::EXPRESSION_DATA,
        &[],
        Attributes::new(),
    );
    let rule = Message::new(nf::NEW_RULE, CREATE | libc::NLM_F_APPEND as u16, &IP)
        .text(nf::RULE_TABLE, "trial")
        .text(nf::RULE_CHAIN, "post")
        .nest(nf::RULE_EXPRESSIONS, &[], Attributes::new().nest(nf::ELEMENT, &[], masquerade));
    change(&socket, rule).map_err(part("masquerade"))?;
    Ok("tables, nat chains, masquerade".into())
}

const IP: [u8; 4] = [libc::NFPROTO_IPV4 as u8, 0, 0, 0];

fn table(name: &str) -> Message {
    Message::new(nf::NEW_TABLE, CREATE, &IP).text(nf::TABLE_NAME, name)
}

fn chain(table: &str, name: &str, kind: &str, hook: u32, policy: u32) -> Message {
    let hook = Attributes::new()
        .attribute(nf::HOOK_NUMBER, &hook.to_be_bytes())
        .attribute(nf::HOOK_PRIORITY, &0u32.to_be_bytes());
    Message::new(nf::NEW_CHAIN, CREATE, &IP)
        .text(nf::CHAIN_TABLE, table)
        .text(nf::CHAIN_NAME, name)
        .nest(nf::CHAIN_HOOK, &[], hook)
        .attribute(nf::CHAIN_POLICY, &policy.to_be_bytes())
        .text(nf::CHAIN_TYPE, kind)
}

/// nftables takes changes in batches only, all of one or none.
fn change(socket: &Socket, message: Message) -> Result<()> {
    let request = libc::NLM_F_REQUEST as u16;
    let batch = nf::fixed(libc::AF_UNSPEC as u8, libc::NFNL_SUBSYS_NFTABLES as u16);
    let begin = Message::new(nf::BEGIN, request, &batch);
    let end = Message::new(nf::END, request, &batch);
    socket.ask("a batch of nftables", vec![begin, message, end], 1).map(drop)
}

/// A chain, not ours, that sees what is forwarded, and at its end drops or rejects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropping {
    /// `ip` or `inet`.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
}

/// The chains of nftables in this network namespace that would drop what goes through `bridge`.
/// Where a rule of the same table names the bridge, somebody has decided about it already. (The
/// older iptables keep no such list that could be read without loading their modules.)
pub fn dropping(bridge: &str) -> Result<Vec<Dropping>> {
    let socket = Socket::open(libc::NETLINK_NETFILTER)?;
    let all = Message::new(nf::GET_CHAIN, DUMP, &nf::fixed(libc::AF_UNSPEC as u8, 0));
    let chains = socket.ask("all chains of nftables", vec![all], 1)?;
    let mut found = Vec::new();
    for chain in chains.iter().filter(|chain| chain.kind == nf::NEW_CHAIN) {
        let Some((family, policy, chain)) = forward_chain(&chain.body) else { continue };
        let rules = Message::new(nf::GET_RULE, DUMP, &nf::fixed(family, 0))
            .text(nf::RULE_TABLE, &chain.table);
        let rules = socket.ask("its table's rules", vec![rules], 1)?;
        let rules = || rules.iter().filter(|rule| rule.kind == nf::NEW_RULE);
        let name = [bridge.as_bytes(), b"\0"].concat();
        let about = |body: &[u8]| body.windows(name.len()).any(|bytes| bytes == name);
        let last = rules().rfind(|rule| {
            value(&rule.body, nf::RULE_CHAIN).and_then(text).as_ref() == Some(&chain.chain)
        });
        let drops = policy == nf::DROP || last.is_some_and(|rule| rejects_all(&rule.body));
        if drops && !rules().any(|rule| about(&rule.body)) {
            found.push(chain);
        }
    }
    Ok(found)
}

/// Family and policy of a base chain for what is forwarded, and where it is.
fn forward_chain(body: &[u8]) -> Option<(u8, u32, Dropping)> {
    let family = match i32::from(*body.first()?) {
        libc::NFPROTO_INET => "inet",
        libc::NFPROTO_IPV4 => "ip",
        _ => return None,
    };
    let hook = attributes(value(body, nf::CHAIN_HOOK)?);
    let hook = hook.iter().find(|(kind, _)| *kind == nf::HOOK_NUMBER)?.1;
    if number(hook)? != nf::FORWARD {
        return None;
    }
    let (table, chain) = (value(body, nf::CHAIN_TABLE)?, value(body, nf::CHAIN_NAME)?);
    let chain = Dropping { family, table: text(table)?, chain: text(chain)? };
    Some((body[0], number(value(body, nf::CHAIN_POLICY)?)?, chain))
}

/// Whether a rule rejects without a condition, as the last one of firewalld(1)'s does.
fn rejects_all(body: &[u8]) -> bool {
    let list = value(body, nf::RULE_EXPRESSIONS).unwrap_or(&[]);
    let names: Option<Vec<String>> = attributes(list)
        .into_iter()
        .map(|(_, element)| {
            let all = attributes(element);
            text(all.iter().find(|(kind, _)| *kind == nf::EXPRESSION_NAME)?.1)
        })
        .collect();
    let harmless = ["counter", "log", "reject"];
    names.is_some_and(|names| {
        names.iter().all(|name| harmless.contains(&name.as_str()))
            && names.iter().any(|name| name == "reject")
    })
}

/// An attribute of a message of nftables, after the fixed part.
fn value(body: &[u8], kind: u16) -> Option<&[u8]> {
    let all = attributes(body.get(4..)?);
    all.into_iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn text(value: &[u8]) -> Option<String> {
    Some(String::from_utf8_lossy(value.strip_suffix(b"\0")?).into_owned())
}

/// Makes, in this network namespace, such a chain as firewalls have: it drops all that is
/// forwarded. For tests, which do it to a namespace of their own.
pub fn drop_what_is_forwarded(table_name: &str, chain_name: &str) -> Result<()> {
    let socket = Socket::open(libc::NETLINK_NETFILTER)?;
    change(&socket, table(table_name))?;
    change(&socket, chain(table_name, chain_name, "filter", nf::FORWARD, nf::DROP))
}

/// Where forwarding is switched, for the network namespace of whoever opens it.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Whether packets are forwarded between the links of this network namespace.
pub fn forwards() -> std::io::Result<bool> {
    Ok(fs::read_to_string(FORWARDING)?.trim() == "1")
}

/// Switches forwarding on in a network namespace of our own.
pub fn forwarding() -> Found {
    let io = |error: std::io::Error| Refused::io(FORWARDING, &error);
    fs::write(FORWARDING, "1").map_err(io)?;
    match forwards().map_err(io)? {
        true => Ok("can be switched on".into()),
        false => Err(Refused::new("stays off when switched on")),
    }
}
