//! The law of the journal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use std::path::Path;

use super::{
    lines::{noted, text},
    *,
};
use crate::{
    channel::Channel,
    fleet::ProcessIdentity,
    id::{ClientId, EndpointId, Origin, SessionId},
    input::Input,
};

/// What is read, written and read again is equal; a journal cut anywhere tells what its whole lines tell; and whatever was asked,
/// sent and answered, what is owed is what a book of it says.
pub fn journal(bytes: &[u8]) {
    let noted = |text: &[u8]| noted(text, Path::new("requests.log"));
    let all = noted(bytes);
    assert_eq!(noted(&text(&all).unwrap()), all);

    let mut input = Input::new(bytes);
    let cut = input.up_to(bytes.len());
    let line =
        |at: usize| bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end);
    let before = bytes[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let at_cut = noted(&bytes[..cut]);
    assert!(
        at_cut == noted(&bytes[..before])
            || at_cut == noted(&bytes[..line(cut)])
            || is_a_line(&bytes[before..cut])
    );

    history(input);
}

/// Half a line that is a line: it takes a stranger's hand to make one of those.
fn is_a_line(half: &[u8]) -> bool {
    serde_json::from_slice::<Line<Asked, RememberedClient>>(half).is_ok()
}

fn history(mut input: Input<'_>) {
    let (mut lines, mut book, mut last) = (Vec::new(), Noted::default(), 0);
    while !input.is_empty() {
        let kind = input.byte() % 6;
        let entry = Entry(if kind == 0 || kind == 3 { last + 1 } else { u64::from(input.byte()) });
        last = last.max(if kind == 0 || kind == 3 { entry.0 } else { 0 });
        match kind {
            0 => {
                let asked = take_asked(&mut input);
                append(&mut lines, &Line::<_, ()>::Asked(entry, &asked));
                book.owed.insert(entry, asked);
            }
            1 => {
                let kernel = KernelId::from(input.text().as_str());
                append(&mut lines, &Line::<(), ()>::Sent(entry, kernel.clone()));
                if let Some(asked) = book.owed.get_mut(&entry) {
                    asked.kernel = Some(kernel);
                    asked.waits = None;
                }
            }
            2 => {
                append(&mut lines, &Line::<(), ()>::Answered(entry));
                book.owed.remove(&entry);
            }
            3 => {
                let client = take_bound(&mut input);
                append(&mut lines, &Line::<(), _>::Bound(entry, &client));
                book.bound.push((entry, client));
            }
            4 => {
                let message = KeptMessage(input.few(Input::text));
                append(&mut lines, &Line::<(), ()>::Waits(entry, message.clone()));
                if let Some(asked) = book.owed.get_mut(&entry) {
                    asked.waits = Some(message);
                }
            }
            _ => {
                let connected = take_connected(&mut input);
                append(&mut lines, &Line::<(), ()>::Connected(connected.clone()));
                book.connected.insert(connected.kernel.clone(), connected);
            }
        }
    }
    assert_eq!(noted(&lines, Path::new("requests.log")), book);
}

fn take_client(input: &mut Input<'_>) -> ClientId {
    ClientId {
        endpoint: EndpointId(u64::from(input.byte())),
        session: SessionId::from(input.text().as_str()),
    }
}

fn take_origin(input: &mut Input<'_>) -> Origin {
    match input.byte() % 4 {
        0 => Origin::Process { uid: u32::from(input.byte()), pid: i32::from(input.byte()) },
        1 => Origin::User { uid: u32::MAX - u32::from(input.byte()) },
        2 => Origin::Address([input.byte(), input.byte(), 0, 1].into()),
        _ => Origin::Unknown,
    }
}

fn take_asked(input: &mut Input<'_>) -> Asked {
    Asked {
        client: take_client(input),
        channel: input.one_of(&Channel::ALL),
        origin: take_origin(input),
        msg_type: input.text(),
        msg_id: input.text(),
        identity: input.text(),
        envelope: input.few(Input::text),
        header: input.text(),
        kernel: input.perhaps_text().map(|id| KernelId::from(id.as_str())),
        stops_on_error: input.flag(),
        waits: input.flag().then(|| KeptMessage(input.few(Input::text))),
    }
}

fn take_connected(input: &mut Input<'_>) -> Connected {
    Connected {
        kernel: KernelId::from(input.text().as_str()),
        process: ProcessIdentity { pid: i32::from(input.byte()), start_time: u64::from(input.byte()) },
        identities: input.few(Input::text),
    }
}

fn take_bound(input: &mut Input<'_>) -> RememberedClient {
    RememberedClient {
        client: take_client(input),
        kernel: KernelId::from(input.text().as_str()),
        origins: input.few(take_origin),
        visits: input.few(|input| KernelId::from(input.text().as_str())),
        standing: input.perhaps_text().map(Into::into),
        moved: input.perhaps_text().and_then(|text| crate::route::Requirements::parse(&text).ok()),
    }
}
