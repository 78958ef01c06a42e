//! The law of connection files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::input::Input;

/// What is read and written is read as the same again, and so is what we write ourselves; an ipc path fits into a socket's address;
/// nothing that is said of a file tells its key.
pub fn connection_file(bytes: &[u8]) {
    if let Ok(file) = ConnectionFile::parse(bytes) {
        is_read_again(&file);
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        key_stays_secret(value);
    }
    if let Some(file) = take(&mut Input::new(bytes)) {
        is_read_again(&file);
    }
}

fn is_read_again(file: &ConnectionFile) {
    let text = file.to_json();
    let again = ConnectionFile::parse(text.as_bytes()).unwrap();
    assert_eq!((&again, again.to_json()), (file, text));
    assert_eq!(file.signing_key().is_err(), file.key.is_none() && file.transport() == Transport::Tcp);
    for channel in Channel::ALL {
        match file.address(channel) {
            Address::Tcp(address) => assert_eq!(address.port(), file.ports.of(channel).get()),
            Address::Ipc(path) => assert!(path.as_os_str().len() <= LONGEST_IPC_PATH),
        }
    }
}

/// With another key of the same length, exactly the same is said.
fn key_stays_secret(mut file: Value) {
    let said = |file: &Value| {
        let parsed = ConnectionFile::parse(file.to_string().as_bytes());
        parsed.map(|file| format!("{file:?}")).map_err(|error| format!("{error} {error:?}"))
    };
    let before = said(&file);
    let Some(Value::String(key)) = file.get_mut("key") else { return };
    *key = key.chars().map(|c| if c == 'x' { 'y' } else { 'x' }).collect();
    assert_eq!(said(&file), before);
}

fn take(input: &mut Input<'_>) -> Option<ConnectionFile> {
    let address = match input.byte() % 3 {
        0 => Location::Tcp(IpAddr::from([input.byte(), input.byte(), input.byte(), input.byte()])),
        1 => Location::Tcp(IpAddr::from([(); 8].map(|()| input.up_to(0xffff) as u16))),
        _ => Location::Ipc(input.text()),
    };
    let [shell, iopub, stdin, control, heartbeat] =
        [(); 5].map(|()| NonZeroU16::MIN.saturating_add(input.up_to(0xffff) as u16));
    let ports = Ports { shell, iopub, stdin, control, heartbeat };
    let mut file = ConnectionFile::new(address, ports, SecretKey::new(input.text())).ok()?;
    file.signature_scheme = input.one_of(&SignatureScheme::all());
    file.kernel_name = input.perhaps_text();
    let extra = input.few(|input| (format!("x_{}", input.text()), Value::from(input.text())));
    file.extra = extra.into_iter().collect();
    Some(file)
}
