//! A kernel's process that an earlier `serve` started: nobody's child here, but watched all the same.

use std::{io, os::fd::OwnedFd};

use rustix::process::{Pid, PidfdFlags, kill_process_group, pidfd_open};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    confine::{Confined, Exceeded},
    provision::{Boxed, Exit, Process, Signal},
    record::ProcessIdentity,
};

/// A process that somebody else started. How it ends cannot be told, only that it does.
#[derive(Debug)]
pub(super) struct Adopted {
    group: Pid,
    confined: Confined,
    descriptor: AsyncFd<OwnedFd>,
}

impl Adopted {
    /// Takes a process over.
    ///
    /// # Errors
    /// It has ended, or its number is another process's by now.
    pub(super) fn new(identity: ProcessIdentity, confined: Confined) -> io::Result<Self> {
        let group = Pid::from_raw(identity.pid).ok_or(io::ErrorKind::NotFound)?;
        let descriptor = pidfd_open(group, PidfdFlags::NONBLOCK)?;
        // With the descriptor open, the number cannot pass to another one unnoticed.
        if !identity.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        #[expect(deprecated, reason = "sound with an OwnedFd; its successor is an unsafe function")]
        let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        Ok(Self { group, confined, descriptor })
    }
}

impl Process for Adopted {
    fn pid(&self) -> Option<i32> {
        Some(self.group.as_raw_nonzero().get())
    }

    fn wait(&mut self) -> Boxed<'_, Exit> {
        Box::pin(async move {
            // pidfd_open(2): a descriptor becomes readable when its process ends, and stays so.
            let _ = self.descriptor.readable().await;
            Exit::Unknown
        })
    }

    fn signal(&self, signal: Signal) {
        if signal == Signal::Kill {
            self.confined.kill();
        }
        // The only error is that nobody is left to signal.
        let _ = kill_process_group(self.group, signal.number());
    }

    fn look(&self) {
        self.confined.look();
    }

    fn exceeded(&self, exit: &Exit) -> Option<Exceeded> {
        self.confined.exceeded(exit)
    }

    fn clear(&self) -> Boxed<'_, ()> {
        Box::pin(self.confined.clear_or_warn())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{process::Command, time::timeout};

    use super::*;

    #[tokio::test]
    async fn the_end_of_somebody_elses_process_is_seen() {
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let identity = ProcessIdentity::of(child.id().unwrap().try_into().unwrap()).unwrap();
        let mut adopted = Adopted::new(identity, Confined::again(Default::default())).unwrap();
        assert!(timeout(Duration::from_millis(50), adopted.wait()).await.is_err(), "it lives");
        adopted.signal(Signal::Kill);
        assert_eq!(timeout(Duration::from_secs(10), adopted.wait()).await, Ok(Exit::Unknown));
        child.wait().await.unwrap();
        assert!(Adopted::new(identity, Confined::again(Default::default())).is_err(), "it is gone");
    }
}
