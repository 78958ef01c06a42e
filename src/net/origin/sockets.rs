//! Who made a socket, and its inode: asked for one by one, or else looked up in the table of all.

use std::{collections::HashMap, io, net::IpAddr};

use super::{Owned, Pair, sock_diag::SockDiag, table};

/// Finds sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    /// How netlink is reached.
    open: fn() -> io::Result<SockDiag>,
    /// Netlink has found a socket. Before that, "no such socket" may mean that the system lacks the module.
    is_proven: bool,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { open: SockDiag::open, is_proven: false }
    }
}

impl Sockets {
    /// With another way to reach netlink, or none.
    #[cfg(test)]
    pub(super) fn opened_by(open: fn() -> io::Result<SockDiag>) -> Self {
        Self { open, is_proven: false }
    }

    /// Those sockets that are open.
    pub(super) fn find(&mut self, pairs: &[Pair]) -> HashMap<Pair, Owned> {
        let mut found = HashMap::with_capacity(pairs.len());
        let rest = match (self.open)() {
            Ok(netlink) => self.ask(&netlink, pairs, &mut found),
            Err(error) => {
                tracing::debug!(%error, "netlink tells nothing of sockets; reading the table of all");
                pairs.to_vec()
            }
        };
        if !rest.is_empty() {
            found.extend(table::find(&rest));
        }
        found
    }

    /// Returns those of which it is not certain what they are.
    fn ask(&mut self, netlink: &SockDiag, pairs: &[Pair], found: &mut HashMap<Pair, Owned>) -> Vec<Pair> {
        let mut rest = Vec::new();
        for &pair in pairs {
            match netlink.find(pair) {
                Ok(Some(owned)) => {
                    self.is_proven = true;
                    found.insert(pair, owned);
                }
                Ok(None) if self.is_proven && !needs_interface(pair) => {}
                Ok(None) => rest.push(pair),
                Err(error) => {
                    tracing::debug!(%error, "netlink does not tell of a socket; reading the table of all");
                    rest.push(pair);
                }
            }
        }
        rest
    }
}

/// Netlink finds connections between link-local addresses only by their interface, which a pair leaves out.
fn needs_interface((peer, _): Pair) -> bool {
    matches!(peer.ip(), IpAddr::V6(address) if address.is_unicast_link_local())
}
