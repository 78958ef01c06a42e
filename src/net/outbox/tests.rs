use std::io::{Read, Write};

use tokio::net::TcpListener;

use super::*;
use crate::{net::stream::Stream, zmtp::leading_frames};

const RETENTION: Retention = Retention { bytes: 100_000, time: Duration::from_secs(60), is_remote: false };

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

/// An outbox whose connection has ended before anything was sent.
async fn lost(retention: Retention) -> Outbox {
    let (outbox, peer) = connection().await;
    outbox.retain(retention);
    drop(peer);
    outbox.end();
    outbox
}

fn nothing_is_missing(missed: Missed) -> Option<SmallVec<[Bytes; 8]>> {
    panic!("{missed:?}")
}

#[tokio::test]
async fn what_a_broken_connection_did_not_deliver_leaves_on_the_next_once_and_in_order() {
    let (outbox, mut peer) = connection().await;
    outbox.retain(RETENTION);
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
    assert!(outbox.hand_over(&newer, nothing_is_missing));
    push(&newer, 20, 3);
    assert_eq!(numbers(&mut peer, 20), (10..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_still_holds_the_lost_outbox_writes_to_the_next_behind_what_was_retained() {
    let outbox = lost(RETENTION).await;
    push(&outbox, 1, 10);
    let (newer, mut peer) = connection().await;
    assert!(outbox.hand_over(&newer, nothing_is_missing));
    push(&outbox, 2, 10);
    push(&newer, 3, 10);
    let mut run = crate::net::Run::default();
    let body =
        crate::jupyter::reply::MessageBuilder::new("test").say_raw("x", serde_json::json!({}), &Bytes::new());
    let signer = crate::jupyter::signature::Signer::new(Default::default(), None);
    run.add(&Envelope::topic(Bytes::new()), &signer.sign(body));
    SignedOutbox(outbox.clone()).push_run(&run.take().unwrap()).unwrap();
    assert_eq!(numbers(&mut peer, 3), [1, 2, 3]);
    outbox.close();
    assert_eq!(newer.progress().map(|_| ()), None, "it retains nothing");
    assert!(!newer.0.queue.lock().is_closed(), "the end of the lost outbox is not the next one's");
}

#[tokio::test]
async fn what_the_other_host_has_no_room_for_is_sent_again_from_its_first_byte() {
    for is_remote in [false, true] {
        let (outbox, mut peer) = connection().await;
        outbox.retain(Retention { bytes: 64 << 20, is_remote, ..RETENTION });
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
        let last = 200_u32;
        assert!(outbox.0.queue.lock().len() > 500_000, "the socket took everything");
        outbox.end();
        push(&outbox, last, 10);
        let (newer, mut other) = connection().await;
        assert!(outbox.hand_over(&newer, nothing_is_missing));
        let drain = {
            let newer = newer.clone();
            tokio::spawn(async move { newer.drain().await })
        };
        let again = tokio::task::spawn_blocking(move || numbers(&mut other, last)).await.unwrap();
        let first = again[0];
        assert!(first > 10, "what was read comes again: {first}");
        assert!(again[..again.len() - 1].windows(2).all(|pair| pair[1] == pair[0] + 1), "{again:?}");
        drain.abort();
        drop(peer);
    }
}

#[tokio::test]
async fn the_beginning_of_what_could_not_be_retained_is_replaced_by_a_notice() {
    let outbox = lost(RETENTION).await;
    for number in 0..30 {
        push(&outbox, number, 10_000);
    }
    assert!(outbox.0.queue.lock().retained_bytes() <= RETENTION.bytes, "memory is bounded");
    let (newer, mut peer) = connection().await;
    assert!(outbox.hand_over(&newer, notice));
    let drain = {
        let newer = newer.clone();
        tokio::spawn(async move { newer.drain().await })
    };
    let arrived = tokio::task::spawn_blocking(move || numbers(&mut peer, 29)).await.unwrap();
    assert_eq!(arrived[0] as usize, 1_000_000 + 30 - (arrived.len() - 1));
    assert_eq!(arrived[1..], (30 - (arrived.len() as u32 - 1)..30).collect::<Vec<_>>());
    drain.abort();
}

#[tokio::test]
async fn half_a_message_that_was_being_written_on_the_next_connection_is_finished_first() {
    let outbox = lost(RETENTION).await;
    push(&outbox, 5, 10);
    let (newer, mut peer) = connection().await;
    newer.0.queue.lock().append_raw(|out| out.extend_from_slice(&[1, 4, 0, 0, 0, 4, 0, 1, 7]));
    assert!(outbox.hand_over(&newer, nothing_is_missing));
    newer.flush();
    assert_eq!(numbers(&mut peer, 5), [4, 5]);
}

#[tokio::test]
async fn pings_of_an_ended_connection_are_not_sent_on_the_next() {
    let outbox = lost(RETENTION).await;
    push(&outbox, 1, 10);
    outbox.push_pong(Bytes::from_static(b"still there?")).unwrap();
    outbox.ping();
    push(&outbox, 2, 10);
    let (newer, mut peer) = connection().await;
    assert!(outbox.hand_over(&newer, nothing_is_missing));
    push(&newer, 3, 10);
    assert_eq!(numbers(&mut peer, 3), [1, 2, 3]);
    assert_eq!(newer.0.queue.lock().len(), 0);
}

#[tokio::test]
async fn what_is_handed_over_outlives_the_next_connection_as_well() {
    let outbox = lost(RETENTION).await;
    push(&outbox, 1, 10);
    let (next, peer) = connection().await;
    next.retain(RETENTION);
    drop(peer);
    next.end();
    assert!(outbox.hand_over(&next, nothing_is_missing), "its end is not known to all yet");
    push(&next, 2, 10);
    let (newest, mut peer) = connection().await;
    assert!(next.hand_over(&newest, nothing_is_missing));
    newest.flush();
    assert_eq!(numbers(&mut peer, 2), [1, 2]);
}

#[tokio::test]
async fn what_was_urgent_while_there_was_no_connection_takes_no_room_from_what_comes_later() {
    let outbox = lost(RETENTION).await;
    let frames = [Bytes::from(vec![7; 100_000])];
    for _ in 0..2 * RESERVE / 100_000 {
        outbox.push(Room::Reserve, frames.iter()).unwrap();
    }
    let (newer, _peer) = connection().await;
    assert!(outbox.hand_over(&newer, |_| None));
    assert_eq!(newer.push(Room::Reserve, frames.iter()), Ok(()));
}

#[tokio::test]
async fn nothing_is_handed_over_to_a_connection_that_has_ended_for_good() {
    let outbox = lost(RETENTION).await;
    push(&outbox, 1, 10);
    let (closed, _peer) = connection().await;
    closed.close();
    assert!(!outbox.hand_over(&closed, nothing_is_missing));
    let (newer, mut peer) = connection().await;
    assert!(outbox.hand_over(&newer, nothing_is_missing));
    newer.flush();
    assert_eq!(numbers(&mut peer, 1), [1], "it is still there for the next");
}

#[tokio::test]
async fn an_undelivered_reply_may_be_of_any_size() {
    let frames = [Bytes::from(vec![7; 10 * RETENTION.bytes])];
    let (outbox, _peer) = connection().await;
    let outbox = SignedOutbox(outbox);
    outbox.0.retain(Retention { is_remote: true, ..RETENTION });
    outbox.0.push(Room::Usual, frames.iter()).unwrap();
    assert!(outbox.take_undelivered().size() > frames[0].len());
}

#[tokio::test]
async fn nothing_is_retained_of_what_has_been_delivered() {
    let (outbox, mut peer) = connection().await;
    outbox.retain(RETENTION);
    for number in 0..100 {
        push(&outbox, number, 10_000);
        numbers(&mut peer, number);
    }
    let outbox = SignedOutbox(outbox);
    assert_eq!(outbox.take_undelivered().size(), 0);
}

#[tokio::test]
async fn without_retention_the_end_is_the_end() {
    let (outbox, mut peer) = connection().await;
    peer.write_all(b"x").unwrap();
    outbox.end();
    let frames = [Bytes::from_static(b"x")];
    assert_eq!(outbox.push(Room::Usual, frames.iter()), Err(PushError::Closed));
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_not_silent_for_its_host_answers() {
    let (outbox, _peer) = connection().await;
    let outbox = SignedOutbox(outbox);
    outbox.0.retain(Retention { is_remote: true, ..RETENTION });
    while outbox.0.0.queue.lock().is_empty() {
        push(&outbox.0, 1, 100_000);
    }
    let (closed, _) = connection().await;
    closed.close();
    let neighbours = [outbox.clone(), SignedOutbox(closed)];
    assert_eq!(crate::net::end_silent(&neighbours).await, Vec::<usize>::new());
    assert!(outbox.0.progress().is_some(), "it has not been ended");
}
