//! A message for everyone who hears a kernel: signed once for each connection file that they came by.

use smallvec::SmallVec;

use super::profile::Profile;
use crate::{
    id::ProfileId,
    jupyter::message::{Body, Signed},
};

/// A message for everyone who hears a kernel. Nearly always, they all came by one connection file.
#[derive(Debug)]
pub(super) struct Broadcast {
    /// Until it is signed for the first time.
    body: Option<Body>,
    signed: SmallVec<[(ProfileId, Signed); 1]>,
}

impl Broadcast {
    pub(super) fn new(body: Body) -> Self {
        Self { body: Some(body), signed: SmallVec::new() }
    }

    /// The message, signed with the key of this connection file.
    pub(super) fn signed_for(&mut self, profile: &Profile) -> Option<&Signed> {
        let known = self.signed.iter().position(|(id, _)| *id == profile.id);
        let index = match known {
            Some(index) => index,
            None => {
                let first = self.signed.first().map(|(_, signed)| signed.body().clone());
                let body = first.or_else(|| self.body.take())?;
                self.signed.push((profile.id, profile.signer.sign(body)));
                self.signed.len() - 1
            }
        };
        self.signed.get(index).map(|(_, signed)| signed)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use bytes::Bytes;

    use super::*;
    use crate::{
        jupyter::{
            connection_file::{Address, ConnectionFile, Ports},
            message::Unverified,
            reply::Voice,
            scheme::SecretKey,
        },
        route::Requirements,
    };

    fn profile(id: u64, key: &str) -> Profile {
        let [shell, iopub, stdin, control, heartbeat] = [NonZeroU16::MIN; 5];
        let ports = Ports { shell, iopub, stdin, control, heartbeat };
        let address = Address::Tcp([127, 0, 0, 1].into());
        let file = ConnectionFile::new(address, ports, SecretKey::new(key)).unwrap();
        Profile::new(ProfileId(id), file, Requirements::default())
    }

    #[test]
    fn each_connection_file_gets_the_message_signed_with_its_key_and_only_once() {
        let body = Voice::new("fleet").notice("hello", &Bytes::new());
        let profiles = [profile(0, "published"), profile(1, "a door"), profile(2, "another")];
        let mut broadcast = Broadcast::new(body.clone());
        for profile in profiles.iter().chain(&profiles) {
            let signed = broadcast.signed_for(profile).unwrap();
            let arrived = Unverified::split(signed.frames().cloned().collect()).unwrap();
            assert_eq!(profile.signer.verify(arrived.clone()).unwrap().body(), &body);
            let others = profiles.iter().filter(|other| other.id != profile.id);
            assert!(others.into_iter().all(|other| other.signer.verify(arrived.clone()).is_err()));
        }
        assert_eq!(broadcast.signed.len(), profiles.len());
    }
}
