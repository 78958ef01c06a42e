//! The law of commands.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::input::Input;

/// What is parsed, written and parsed again is equal and no longer than it was; what we make ourselves is parsed as what it
/// is; and a command takes a bounded amount of memory beyond its bytes.
pub fn command(bytes: &[u8]) {
    if let Ok(parsed) = Command::parse(Bytes::copy_from_slice(bytes)) {
        let written = written(&parsed);
        assert!(written.len() <= bytes.len());
        if let Command::Ready(properties) = &parsed {
            assert!(properties.capacity() <= MOST_PROPERTIES);
        }
        assert_eq!(Command::parse(written), Ok(parsed));
    }
    let own = of(&mut Input::new(bytes));
    assert_eq!(Command::parse(written(&own)), Ok(own));
}

fn written(command: &Command) -> Bytes {
    let mut out = BytesMut::new();
    command.write(&mut out);
    out.freeze()
}

/// Any command that we could say.
pub(in crate::zmtp) fn of(input: &mut Input<'_>) -> Command {
    let piece = |input: &mut Input<'_>| Bytes::copy_from_slice(input.piece());
    let context = |input: &mut Input<'_>| {
        let piece = piece(input);
        piece.slice(..piece.len().min(LONGEST_CONTEXT))
    };
    match input.byte() % 6 {
        0 => Command::Ready(input.few(|input| (piece(input), piece(input)))),
        1 => Command::Error(piece(input)),
        2 => Command::Subscribe(piece(input)),
        3 => Command::Cancel(piece(input)),
        4 => Command::Ping(u16::from_be_bytes([input.byte(), input.byte()]), context(input)),
        _ => Command::Pong(context(input)),
    }
}
