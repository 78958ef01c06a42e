//! The law of the registry.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::*;
use crate::runtimes::RuntimeSource;

/// What is read, written and read again is equal, and so it is where a runtime was found in a directory whose name is no text.
pub fn registry(bytes: &[u8]) {
    let Ok(mut registry) = parse(bytes) else { return };
    is_read_again(&registry);
    let odd = PathBuf::from(OsStr::from_bytes(&[b"/\xff", bytes].concat()));
    for kernel in &mut registry.kernels {
        let config = Arc::make_mut(&mut kernel.config);
        config.source = RuntimeSource::Kernelspec(odd.clone());
    }
    let text = registry.text().unwrap();
    let again = parse(&text).unwrap();
    assert_eq!((again.kernels.len(), again.bindings), (registry.kernels.len(), registry.bindings));
}

fn is_read_again(registry: &Registry) {
    let text = registry.text().unwrap();
    assert_eq!(&parse(&text).unwrap(), registry);
    let line = serde_json::to_vec(registry).unwrap();
    assert_eq!(&parse(&line).unwrap(), registry);
}
