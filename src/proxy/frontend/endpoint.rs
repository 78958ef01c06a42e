//! A connection file as the walk sees it: whose key signs, which ports belong to it, and where it leads.

use super::host::Host;
use crate::{
    id::{EndpointId, Origin},
    jupyter::{connection_file::ConnectionFile, signature::Signer},
    route::Requirements,
};

/// The published connection file, a kernel's own, or one that a host wrote for the kernel that it starts.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) signer: Signer,
    pub(crate) file: ConnectionFile,
    /// What its clients get where they ask for nothing else.
    pub(crate) defaults: Requirements,
    /// The host that wrote the file, if one did.
    pub(crate) host: Option<Host>,
}

impl Endpoint {
    /// One that no host wrote.
    pub(crate) fn new(id: EndpointId, file: ConnectionFile, defaults: Requirements) -> Self {
        let signer = Signer::new(file.signature_scheme, file.key.as_ref());
        Self { id, signer, file, defaults, host: None }
    }

    /// Where a connection comes from, as far as it matters here. All that connect by a host's file are its clients, so of a
    /// local process only the user matters.
    pub(crate) fn origin_of(&self, origin: Origin) -> Origin {
        match origin {
            Origin::Process { uid, .. } if self.host.is_some() => Origin::User { uid },
            origin => origin,
        }
    }
}
