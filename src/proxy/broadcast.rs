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
