//! Newtypes for everything that is told apart by a name or a number.

use std::{fmt, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A kernel of the fleet, as users see it in lists, logs and file names: eight hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelId(Arc<str>);

/// The `session` of a message header: one per Jupyter client.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(Arc<str>);

/// The `msg_id` of a message header, chosen by whoever sent it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MsgId(Arc<str>);

/// Which connection file a client used: its key, and the ports that go with it. The published one is
/// [`EndpointId::DEFAULT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct EndpointId(pub u64);

impl EndpointId {
    /// The endpoint of the published connection file.
    pub const DEFAULT: Self = Self(0);

    /// The endpoint of the connection file that leads to one kernel alone. It is made of the kernel's id, so that it is
    /// the same after a restart of the fleet. `None`: no kernel has such an id.
    pub fn of_kernel(kernel: &KernelId) -> Option<Self> {
        u32::from_str_radix(kernel.as_str(), 16).ok().map(|number| Self(u64::from(number) + 1))
    }

    /// The endpoint of a host's connection file, by the name of its client, which is a hash. Numbers up to 2^53 are the same in
    /// all readers of JSON.
    pub fn of_host(name: &str) -> Self {
        let digits = name.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Self((1 << 52) | digits.unwrap_or_default())
    }
}

/// A client: one session, by way of one connection file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ClientId {
    /// The connection file whose key verified the client's messages.
    pub endpoint: EndpointId,
    /// The `session` of its message headers.
    pub session: SessionId,
}

/// One accepted connection of the frontend, unique for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// A connection to an earlier `serve`, which ended with it.
    pub const BEFORE: Self = Self(0);
}

/// Where a connection comes from; what decides which kernels an iopub subscriber hears.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A process of this machine.
    Process {
        /// Its user.
        uid: u32,
        /// Its process id.
        pid: i32,
    },
    /// A user of this machine, where the process could not be told (it ended, or `/proc` hides it).
    User {
        /// The user.
        uid: u32,
    },
    /// Another machine.
    Address(IpAddr),
    /// Nothing is known: such a connection hears nothing.
    Unknown,
}

impl Origin {
    /// Whether both belong to one user of this machine, or to one remote address.
    pub fn same_owner(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(two)) => one == two,
            _ => self.uid().is_some() && self.uid() == other.uid(),
        }
    }

    /// The user, if local.
    pub fn uid(&self) -> Option<u32> {
        match self {
            Self::Process { uid, .. } | Self::User { uid } => Some(*uid),
            Self::Address(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { uid, pid } => write!(f, "process {pid} of user {uid}"),
            Self::User { uid } => write!(f, "a process of user {uid}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Unknown => write!(f, "an unknown origin"),
        }
    }
}

impl KernelId {
    /// A fresh random id.
    pub fn random() -> Self {
        let full = uuid::Uuid::new_v4().simple().to_string();
        Self(full.chars().take(8).collect::<String>().into())
    }
}

macro_rules! text_id {
    ($($name:ident),+) => {$(
        impl $name {
            /// The id as it stands on the wire and in files.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )+};
}
text_id!(KernelId, SessionId, MsgId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel_has_a_door_of_its_own() {
        let id = |id: &str| EndpointId::of_kernel(&KernelId::from(id));
        assert_eq!((id("00000000"), id("0000000a")), (Some(EndpointId(1)), Some(EndpointId(11))));
        assert_eq!(id("ffffffff"), Some(EndpointId(1 << 32)));
        assert_eq!(id("kernel"), None);
        assert!(EndpointId::of_kernel(&KernelId::random()).is_some());
    }
}
