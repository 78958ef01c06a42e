//! Waiting for the end of a process that is nobody's child here.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{Interest, unix::AsyncFd};

use super::record::ProcessIdentity;

/// Returns once this process has ended. Where it cannot be watched, that is at once if it has ended, and never else.
pub async fn ended(process: ProcessIdentity) {
    let Some(pid) = Pid::from_raw(process.pid) else { return };
    let descriptor = pidfd_open(pid, PidfdFlags::NONBLOCK);
    // With the descriptor open, the number cannot pass to another process unnoticed.
    if !process.is_alive() {
        return;
    }
    #[expect(deprecated, reason = "sound with an OwnedFd; its successor is an unsafe function")]
    let watched = descriptor.ok().and_then(|owned| AsyncFd::with_interest(owned, Interest::READABLE).ok());
    match watched {
        // pidfd_open(2): a descriptor becomes readable when its process ends, and stays so.
        Some(watched) => drop(watched.readable().await),
        None => std::future::pending().await,
    }
}
