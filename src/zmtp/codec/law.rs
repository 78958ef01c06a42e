//! The law of the stream of frames.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::{
    input::{Input, chunks},
    zmtp::command::law::of as any_command,
};

/// Bytes that a connection makes room for before it knows how many will come.
const ROOM: usize = 512;

/// Any split of a stream yields the same items and the same error; items that are encoded are decoded again; and what is held
/// of a message that has not arrived in whole is bounded by the limits, and by what has arrived.
pub fn codec(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let limits = FrameLimits { frame: input.up_to(600), message: input.up_to(1500), parts: input.up_to(40) };
    let sizes = input.piece();
    let stream = input.rest();
    for commands in [true, false] {
        let decoder =
            || if commands { Decoder::new(limits) } else { Decoder::new(limits).without_commands() };
        let at_once = decode(decoder(), [stream]);
        assert_eq!(decode(decoder(), chunks(sizes, stream)), at_once);
        assert_eq!(decode(decoder(), stream.chunks(1)), at_once);
        assert!(commands || at_once.items.iter().all(|item| matches!(item, Item::Message(_))));

        let again = decode(decoder(), [&*encode(&at_once.items)]);
        assert_eq!(again, Decoded { items: at_once.items, error: None, is_inside: false });
    }
    ours_arrives(Input::new(stream), sizes);
}

/// Messages and commands that we write arrive as what they are.
fn ours_arrives(mut input: Input<'_>, sizes: &[u8]) {
    let mut items = Vec::new();
    while !input.is_empty() {
        let piece = |input: &mut Input<'_>| Bytes::copy_from_slice(input.piece());
        let more = input.few(piece);
        let message = more.into_iter().chain([piece(&mut input)]).collect();
        items.extend([Item::Message(message), Item::Command(any_command(&mut input))]);
    }
    let wire = encode(&items);
    let limits = FrameLimits { frame: usize::MAX >> 1, message: usize::MAX >> 1, parts: usize::MAX };
    assert_eq!(
        decode(Decoder::new(limits), chunks(sizes, &wire)),
        Decoded { items, error: None, is_inside: false }
    );
}

#[derive(PartialEq, Debug)]
struct Decoded {
    items: Vec<Item>,
    error: Option<CodecError>,
    is_inside: bool,
}

/// What a connection gets that reads the stream in these chunks.
fn decode<'a>(mut decoder: Decoder, chunks: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let (limits, mut buffer, mut items) = (decoder.limits, BytesMut::new(), Vec::new());
    let mut arrived = 0;
    for chunk in chunks {
        if buffer.is_empty() {
            buffer = BytesMut::new();
        }
        buffer.reserve(chunk.len().max(ROOM));
        buffer.extend_from_slice(chunk);
        arrived += chunk.len();
        let room = buffer.capacity();
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(item)) => items.push(detached(item)),
                Ok(None) => break,
                Err(error) => return Decoded { items, error: Some(error), is_inside: true },
            }
            arrived = buffer.len();
        }
        assert!(buffer.capacity() <= room, "the decoder itself makes no room");
        check_held(&decoder, limits, arrived, &mut buffer);
    }
    Decoded { items, error: None, is_inside: decoder.is_inside(&buffer) }
}

/// What a message that is still arriving takes: `arrived` are its bytes so far, and what is left in the buffer.
fn check_held(decoder: &Decoder, limits: FrameLimits, arrived: usize, buffer: &mut BytesMut) {
    assert!(decoder.missing() <= limits.frame.saturating_add(LONGEST_HEADER));
    assert!(decoder.size <= limits.message && decoder.size + buffer.len() <= arrived);
    assert!(decoder.parts.len() <= limits.parts);
    assert!(
        decoder.held() >= decoder.size + decoder.parts.len() * size_of::<Bytes>(),
        "parts are counted too"
    );
    assert!(decoder.held() <= decoder.size + decoder.parts.len() * PART);
    let is_worth_it = decoder.parts.iter().any(|part| part.len() > SMALL);
    let rest = std::mem::take(buffer).freeze();
    assert!(is_worth_it || rest.is_unique(), "small parts do not keep alive what was read with them");
    *buffer = rest.into();
}

fn encode(items: &[Item]) -> BytesMut {
    let mut wire = BytesMut::new();
    for item in items {
        match item {
            Item::Message(frames) => encode_message(frames.iter(), &mut wire),
            Item::Command(command) => encode_command(command, &mut wire),
        }
    }
    wire
}

/// A copy that keeps nothing of the buffer alive.
fn detached(item: Item) -> Item {
    let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
    match item {
        Item::Message(frames) => Item::Message(frames.iter().map(copy).collect()),
        Item::Command(command) => {
            let mut body = BytesMut::new();
            command.write(&mut body);
            Command::parse(body.freeze()).map(Item::Command).unwrap()
        }
    }
}
