//! The five channels between a Jupyter client and a kernel.
use std::fmt;

/// One of the five sockets that a kernel binds (messaging spec, "Messaging in Jupyter", introduction).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Requests to run code, inspect, complete; ROUTER at the kernel.
    Shell,
    /// Broadcast of output and status; PUB or XPUB at the kernel.
    IoPub,
    /// The kernel asks the client for a line of input; ROUTER at the kernel.
    Stdin,
    /// Requests that must not wait behind shell's: interrupt, shutdown, debug; ROUTER at the kernel.
    Control,
    /// Echo of whatever comes, unsigned; REP or ROUTER at the kernel.
    Heartbeat,
}

impl Channel {
    /// All five, in the order in which people list them.
    pub const ALL: [Self; 5] = [Self::Shell, Self::IoPub, Self::Stdin, Self::Control, Self::Heartbeat];
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Shell => "shell",
            Self::IoPub => "iopub",
            Self::Stdin => "stdin",
            Self::Control => "control",
            Self::Heartbeat => "heartbeat",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_the_names_of_the_messaging_spec() {
        let names = Channel::ALL.map(|channel| channel.to_string());
        assert_eq!(names, ["shell", "iopub", "stdin", "control", "heartbeat"]);
    }

    #[test]
    fn pads_to_a_column() {
        assert_eq!(format!("{:<10}|", Channel::IoPub), "iopub     |");
    }
}
