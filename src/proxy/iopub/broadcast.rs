//! A message for everyone who hears a kernel: signed once for each connection file that they came by.

use smallvec::SmallVec;

use crate::{
    id::EndpointId,
    jupyter::message::{Body, Signed},
    proxy::frontend::endpoint::Endpoint,
};

/// A message for everyone who hears a kernel. Nearly always, they all came by one connection file.
#[derive(Debug)]
pub(crate) struct Broadcast {
    /// Until it is signed for the first time.
    body: Option<Body>,
    signed: SmallVec<[(EndpointId, Signed); 1]>,
}

impl Broadcast {
    pub(crate) fn new(body: Body) -> Self {
        Self { body: Some(body), signed: SmallVec::new() }
    }

    /// The message, signed with the key of this connection file.
    pub(crate) fn signed_for(&mut self, endpoint: &Endpoint) -> Option<&Signed> {
        let known = self.signed.iter().position(|(id, _)| *id == endpoint.id);
        let index = match known {
            Some(index) => index,
            None => {
                let first = self.signed.first().map(|(_, signed)| signed.body().clone());
                let body = first.or_else(|| self.body.take())?;
                self.signed.push((endpoint.id, endpoint.signer.sign(body)));
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
            connection_file::{ConnectionFile, Location, Ports},
            message::Unverified,
            reply::MessageBuilder,
            scheme::SecretKey,
        },
        route::Requirements,
    };

    fn endpoint(id: u64, key: &str) -> Endpoint {
        let [shell, iopub, stdin, control, heartbeat] = [NonZeroU16::MIN; 5];
        let ports = Ports { shell, iopub, stdin, control, heartbeat };
        let address = Location::Tcp([127, 0, 0, 1].into());
        let file = ConnectionFile::new(address, ports, SecretKey::new(key)).unwrap();
        Endpoint::new(EndpointId(id), file, Requirements::default())
    }

    #[test]
    fn each_connection_file_gets_the_message_signed_with_its_key_and_only_once() {
        let body = MessageBuilder::new("fleet").notice("hello", &Bytes::new());
        let endpoints = [endpoint(0, "published"), endpoint(1, "a kernel's own"), endpoint(2, "another")];
        let mut broadcast = Broadcast::new(body.clone());
        for endpoint in endpoints.iter().chain(&endpoints) {
            let signed = broadcast.signed_for(endpoint).unwrap();
            let arrived = Unverified::split(signed.frames().cloned().collect()).unwrap();
            assert_eq!(endpoint.signer.verify(arrived.clone()).unwrap().body(), &body);
            let others = endpoints.iter().filter(|other| other.id != endpoint.id);
            assert!(others.into_iter().all(|other| other.signer.verify(arrived.clone()).is_err()));
        }
        assert_eq!(broadcast.signed.len(), endpoints.len());
    }
}
