//! A connection file as the walk sees it: whose key signs, which ports belong to it, and where it leads.

use crate::{
    id::ProfileId,
    jupyter::{connection_file::ConnectionFile, signature::Signer},
    route::Requirements,
};

/// The published connection file, or a kernel's own.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) id: ProfileId,
    pub(super) signer: Signer,
    pub(super) file: ConnectionFile,
    /// What its clients get where they ask for nothing else.
    pub(super) defaults: Requirements,
}
