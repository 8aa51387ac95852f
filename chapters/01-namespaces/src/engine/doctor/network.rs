//! Links, address translation, forwarding; and whether somebody's firewall would drop what the
//! bridge forwards.

use super::check::{Check, partly};
use super::ground::{Ground, is_program};
use kernel::Errno;
use kernel::capability::{Found, Refused, aside, network, within};
use kernel::namespace::Namespace;

/// The chapter on the network.
const NEEDED_BY: &[u8] = &[5];

/// The bridge that containers will be on.
const BRIDGE: &str = "minidock0";

/// All of it, in network namespaces that vanish, but for the firewall: that is the host's.
pub(super) fn checks(ground: &Ground) -> Vec<Check> {
    let alone = [Namespace::Network];
    let module = |module: &'static str| {
        move |refused: &Refused| match refused.errno {
            Some(Errno::EPERM | Errno::EACCES) => ground.more_rights(),
            _ => ground.as_root(format!("modprobe {module}")),
        }
    };
    vec![
        ground.check("veth", NEEDED_BY, || within(&alone, network::veth), module("veth")),
        ground.check("bridge", NEEDED_BY, || within(&alone, network::bridge), module("bridge")),
        ground.check(
            "nftables",
            NEEDED_BY,
            || within(&alone, network::nftables),
            module("-a nf_tables nft_chain_nat nft_masq"),
        ),
        ground.check(
            "ip-forward",
            NEEDED_BY,
            || forwarding(ground),
            |_| ground.as_root("sysctl -w net.ipv4.ip_forward=1"),
        ),
        ground.check(
            "firewall",
            NEEDED_BY,
            || firewall(ground),
            |_| {
                let chains = network::dropping(BRIDGE).unwrap_or_default();
                let commands: Vec<String> = chains.iter().flat_map(let_through).collect();
                ground.all_as_root(&commands)
            },
        ),
    ]
}

/// Root's bridge is in the host's network namespace, the lab box has one of its own.
fn forwarding(ground: &Ground) -> Found {
    if ground.rootless {
        return within(&[Namespace::Network], network::forwarding)
            .map(|found| format!("{found} in the lab box"));
    }
    match network::forwards() {
        Ok(true) => Ok("is on".into()),
        Ok(false) => Err(partly("is off")),
        Err(error) => Err(Refused::io("net.ipv4.ip_forward", &error)),
    }
}

fn firewall(ground: &Ground) -> Found {
    if ground.rootless {
        return Ok("the lab box has rules of its own".into());
    }
    aside(|| match network::dropping(BRIDGE) {
        Ok(chains) if chains.is_empty() => Ok("none that drops what is forwarded".into()),
        Ok(chains) => {
            let names: Vec<String> = chains
                .iter()
                .map(|chain| format!("{} {} {}", chain.family, chain.table, chain.chain))
                .collect();
            Err(partly(format!("would drop what is forwarded: {}", names.join(", "))))
        }
        // A kernel without nftables has no rules of it.
        Err(error) => match error.errno {
            Errno::EPROTONOSUPPORT | Errno::EOPNOTSUPP | Errno::EINVAL => {
                Ok("none: no nftables".into())
            }
            _ => Err(Refused::from(error).in_part()),
        },
    })
}

/// Rules for our bridge only: whoever wrote the chain still decides about everything else.
fn let_through(chain: &network::Dropping) -> Vec<String> {
    let network::Dropping { family, table, chain } = chain;
    if table == "firewalld" {
        return vec![format!("firewall-cmd --zone=trusted --add-interface={BRIDGE}")];
    }
    // Where these chains are made by iptables(8), nft(8) need not be there.
    if (*family, table.as_str()) == ("ip", "filter") && !is_program("nft") {
        let rule = |side| format!("iptables -I {chain} {side} {BRIDGE} -j ACCEPT");
        return ["-i", "-o"].map(rule).into();
    }
    let rule = |side| format!("nft insert rule {family} {table} {chain} {side} {BRIDGE} accept");
    ["iifname", "oifname"].map(rule).into()
}
