//! The example at the top of the repository is what it says it is.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
use jupyter_fleet::{
    channel::Channel,
    jupyter::{connection_file::ConnectionFile, scheme::SignatureScheme},
};

const EXAMPLE: &str = include_str!("../proxy-connection.json.example");

#[test]
fn the_example_is_a_signed_connection_file_on_this_machine() {
    let file = ConnectionFile::parse(EXAMPLE.as_bytes()).unwrap();
    assert!(file.signing_key().unwrap().is_some());
    assert_eq!(file.signature_scheme, SignatureScheme::HmacSha256);
    assert_eq!(file.kernel_name.as_deref(), Some("fleet"));

    let endpoints = Channel::ALL.map(|channel| file.address(channel).to_string());
    assert!(endpoints.iter().all(|address| address.starts_with("tcp://127.0.0.1:")), "{endpoints:?}");
    let distinct: std::collections::BTreeSet<_> = endpoints.iter().collect();
    assert_eq!(distinct.len(), 5);
}

#[test]
fn the_example_has_no_key_that_jupyter_does_not_know() {
    assert!(ConnectionFile::parse(EXAMPLE.as_bytes()).unwrap().extra.is_empty());
}
