use std::io::{Read, Write};

use tokio::net::TcpListener;

use super::*;
use crate::{net::stream::Stream, zmtp::leading_frames};

const KEEP: Keep = Keep { bytes: 100_000, time: Duration::from_secs(60), is_remote: false };

/// Our end of a connection, and the peer's socket.
async fn connection() -> (Outbox, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    let (_, write) = Stream::tcp(ours).unwrap().split();
    (Outbox::new(write, 1 << 20, Duration::ZERO), peer)
}

fn push(outbox: &Outbox, number: u32, length: usize) {
    let frames = [Bytes::from(number.to_be_bytes().to_vec()), Bytes::from(vec![7; length])];
    outbox.push(Room::Usual, frames.iter()).unwrap();
    outbox.flush();
}

/// The numbers of the messages that arrive, up to the last, each of which must be whole.
fn numbers(peer: &mut std::net::TcpStream, last: u32) -> Vec<u32> {
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut bytes, mut numbers, mut chunk) = (Vec::new(), Vec::new(), [0; 4096]);
    while numbers.last() != Some(&last) {
        let read = peer.read(&mut chunk).unwrap();
        assert!(read > 0, "the connection ended after {numbers:?}");
        bytes.extend_from_slice(&chunk[..read]);
        let arrived = Bytes::copy_from_slice(&bytes);
        let frames: Vec<Bytes> =
            leading_frames(&arrived).filter(|frame| !frame.starts_with(b"\x04PING")).collect();
        let whole = frames.chunks_exact(2).filter(|pair| pair[1].iter().all(|byte| *byte == 7));
        numbers = whole.map(|pair| u32::from_be_bytes(pair[0][..].try_into().unwrap())).collect();
    }
    numbers
}

fn notice(missed: Missed) -> Option<SmallVec<[Bytes; 8]>> {
    let number = 1_000_000 + u32::try_from(missed.messages).unwrap();
    Some([Bytes::from(number.to_be_bytes().to_vec()), Bytes::from(vec![7; 1])].into_iter().collect())
}

#[tokio::test]
async fn what_a_broken_connection_did_not_deliver_leaves_on_the_next_once_and_in_order() {
    let (outbox, mut peer) = connection().await;
    outbox.keep(KEEP, true);
    for number in 0..10 {
        push(&outbox, number, 100);
    }
    assert_eq!(numbers(&mut peer, 9), (0..10).collect::<Vec<_>>());
    drop(peer);
    outbox.end();
    for number in 10..20 {
        push(&outbox, number, 20_000 / (number as usize));
    }
    let (newer, mut peer) = connection().await;
    newer.push_bytes(b"");
    assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
    push(&outbox, 20, 3);
    assert_eq!(numbers(&mut peer, 20), (10..=20).collect::<Vec<_>>());
    assert!(newer.0.queue.lock().is_closed());
}

#[tokio::test]
async fn what_the_other_host_has_not_acknowledged_is_sent_again_from_its_first_byte() {
    let (outbox, mut peer) = connection().await;
    outbox.keep(Keep { bytes: 64 << 20, ..KEEP }, true);
    // More than the two sockets hold, and nobody reads.
    for number in 0..200 {
        push(&outbox, number, 100_000);
        if number == 10 {
            assert_eq!(numbers(&mut peer, 10), (0..=10).collect::<Vec<_>>());
        }
        if outbox.0.queue.lock().len() > 500_000 {
            break;
        }
    }
    let has_written = 200_u32;
    let waits = outbox.0.queue.lock().len();
    assert!(waits > 500_000, "the socket took everything");
    // What was written a moment ago might be under way: how long ago it was is what this is about.
    tokio::time::sleep(Duration::from_millis(250)).await;
    outbox.end();
    push(&outbox, has_written, 10);
    let (newer, mut other) = connection().await;
    assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
    let drain = {
        let outbox = outbox.clone();
        tokio::spawn(async move { outbox.drain().await })
    };
    let again = tokio::task::spawn_blocking(move || numbers(&mut other, has_written)).await.unwrap();
    let first = again[0];
    assert!(first > 10, "what was read comes again: {first}");
    assert!(again[..again.len() - 1].windows(2).all(|pair| pair[1] == pair[0] + 1), "{again:?}");
    drain.abort();
    drop(peer);
}

#[tokio::test]
async fn the_beginning_of_what_could_not_be_kept_is_replaced_by_a_notice() {
    let (outbox, peer) = connection().await;
    outbox.keep(KEEP, true);
    drop(peer);
    outbox.end();
    for number in 0..30 {
        push(&outbox, number, 10_000);
    }
    assert!(outbox.0.queue.lock().len() <= KEEP.bytes, "memory is bounded");
    let (newer, mut peer) = connection().await;
    assert!(outbox.resume(&newer, notice));
    let drain = {
        let outbox = outbox.clone();
        tokio::spawn(async move { outbox.drain().await })
    };
    let arrived = tokio::task::spawn_blocking(move || numbers(&mut peer, 29)).await.unwrap();
    assert_eq!(arrived[0] as usize, 1_000_000 + 30 - (arrived.len() - 1));
    assert_eq!(arrived[1..], (30 - (arrived.len() as u32 - 1)..30).collect::<Vec<_>>());
    drain.abort();
}

#[tokio::test]
async fn half_a_message_that_was_being_written_on_the_next_connection_is_finished_first() {
    let (outbox, peer) = connection().await;
    outbox.keep(KEEP, true);
    drop(peer);
    outbox.end();
    push(&outbox, 5, 10);
    let (newer, mut peer) = connection().await;
    newer.0.queue.lock().append_raw(|out| out.extend_from_slice(&[1, 4, 0, 0, 0, 4, 0, 1, 7]));
    assert!(outbox.resume(&newer, |_| None));
    assert_eq!(numbers(&mut peer, 5), [4, 5]);
}

#[tokio::test]
async fn a_sign_of_life_that_is_asked_for_on_an_ended_connection_is_not_given_on_the_next() {
    let (outbox, peer) = connection().await;
    outbox.keep(KEEP, true);
    drop(peer);
    outbox.end();
    push(&outbox, 1, 10);
    outbox.push_pong(Bytes::from_static(b"still there?")).unwrap();
    outbox.ask();
    push(&outbox, 2, 10);
    let (newer, mut peer) = connection().await;
    assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
    push(&outbox, 3, 10);
    assert_eq!(numbers(&mut peer, 3), [1, 2, 3]);
    assert_eq!(outbox.0.queue.lock().len(), 0);
}

#[tokio::test]
async fn what_the_connection_in_its_place_had_been_given_before_outlives_that_as_well() {
    let (outbox, peer) = connection().await;
    outbox.keep(Keep { is_remote: true, ..KEEP }, true);
    drop(peer);
    outbox.end();
    push(&outbox, 2, 10);
    let (newer, mut peer) = connection().await;
    newer.keep(Keep { is_remote: true, ..KEEP }, true);
    newer.ask();
    newer.answered(Bytes::copy_from_slice(&0_u64.to_be_bytes()));
    push(&newer, 1, 10);
    assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
    push(&outbox, 3, 10);
    assert_eq!(numbers(&mut peer, 3), [1, 2, 3]);
    drop(peer);
    outbox.end();
    let (newest, mut peer) = connection().await;
    assert!(outbox.resume(&newest, |_| panic!("nothing is missing")));
    assert_eq!(numbers(&mut peer, 3), [1, 2, 3], "it has not said that it has got them");
}

#[tokio::test]
async fn what_had_to_be_said_while_there_was_no_connection_takes_no_room_from_what_comes_later() {
    let (outbox, peer) = connection().await;
    outbox.keep(KEEP, true);
    drop(peer);
    outbox.end();
    let frames = [Bytes::from(vec![7; 100_000])];
    for _ in 0..2 * RESERVE / 100_000 {
        outbox.push(Room::Reserve, frames.iter()).unwrap();
    }
    let (newer, _peer) = connection().await;
    assert!(outbox.resume(&newer, |_| None));
    assert_eq!(outbox.push(Room::Reserve, frames.iter()), Ok(()));
}

#[tokio::test]
async fn a_reply_of_any_size_is_owed() {
    let (outbox, peer) = connection().await;
    let outbox = SignedOutbox(outbox);
    outbox.0.keep(KEEP, true);
    drop(peer);
    let frames = [Bytes::from(vec![7; 10 * KEEP.bytes])];
    outbox.0.end();
    outbox.0.0.queue.lock().append(frames[0].len(), frames.iter());
    assert!(outbox.take_undelivered().size() < frames[0].len(), "given up while there was no connection");
    let (outbox, _peer) = connection().await;
    let outbox = SignedOutbox(outbox);
    outbox.0.keep(KEEP, true);
    outbox.0.push(Room::Usual, frames.iter()).unwrap();
    assert!(outbox.take_undelivered().size() > frames[0].len());
}

#[tokio::test]
async fn without_keeping_the_end_is_the_end() {
    let (outbox, mut peer) = connection().await;
    peer.write_all(b"x").unwrap();
    outbox.end();
    let frames = [Bytes::from_static(b"x")];
    assert_eq!(outbox.push(Room::Usual, frames.iter()), Err(PushError::Closed));
}
