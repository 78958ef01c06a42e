//! Jupyter messages that have come, taken apart (messaging spec, "The Wire Protocol").

use std::ops::Deref;

use super::wire::DELIMITER;

/// A message that has come, kept in the frames of whoever received it.
#[derive(Debug)]
pub struct Incoming<F = zmq::Message> {
    frames: Vec<F>,
    delimiter: usize,
}

/// A frame of libzmq's or of our own.
pub trait Frame: Deref<Target = [u8]> {}

impl<F: Deref<Target = [u8]>> Frame for F {}

impl Incoming {
    /// Waits for the next message, for as long as the socket's receive timeout says.
    pub fn receive(&mut self, socket: &zmq::Socket) -> Result<(), zmq::Error> {
        self.frames.clear();
        self.delimiter = usize::MAX;
        loop {
            let frame = socket.recv_msg(0)?;
            let more = frame.get_more();
            if self.delimiter == usize::MAX && *frame == *DELIMITER {
                self.delimiter = self.frames.len();
            }
            self.frames.push(frame);
            if !more {
                return Ok(());
            }
        }
    }
}

impl<F: Frame> Incoming<F> {
    /// A message of these frames.
    pub fn of(frames: Vec<F>) -> Self {
        let delimiter = frames.iter().position(|frame| **frame == *DELIMITER).unwrap_or(usize::MAX);
        Self { frames, delimiter }
    }

    /// The frames before the delimiter.
    pub fn envelope(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().take(self.delimiter).map(|frame| &**frame)
    }

    /// JSON, like the next two.
    pub fn header(&self) -> &[u8] {
        self.part(2)
    }

    pub fn parent(&self) -> &[u8] {
        self.part(3)
    }

    pub fn content(&self) -> &[u8] {
        self.part(5)
    }

    /// The first buffer, if there is one.
    pub fn buffer(&self) -> &[u8] {
        self.part(6)
    }

    /// Whether the header names this session.
    pub fn is_from(&self, session: &str) -> bool {
        self.header().windows(session.len()).any(|window| window == session.as_bytes())
    }

    /// What comes so many frames after the delimiter.
    pub fn part(&self, behind_delimiter: usize) -> &[u8] {
        let index = self.delimiter.saturating_add(behind_delimiter);
        self.frames.get(index).map_or(&[], |frame| frame)
    }
}
