//! The bytes of a fuzzer, taken as numbers, texts and pieces: how a law makes of them what it is about.
//!
//! Whatever the bytes are, there is a value in them: where they end, numbers are 0 and pieces are empty. So every input says
//! something, and small changes of it make small changes of what it says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

/// What is left of the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *byte
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number from two bytes, at most this one.
    pub fn up_to(&mut self, most: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()])).min(most)
    }

    /// One of these, which must not be none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// A piece, behind its length in one byte.
    pub fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }

    /// A piece as text; what is no UTF-8 is replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.piece()).into_owned()
    }

    /// A piece as text, or nothing.
    pub fn perhaps_text(&mut self) -> Option<String> {
        self.flag().then(|| self.text())
    }

    /// A few of what this makes.
    pub fn few<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % 4).map(|_| make(self)).collect()
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// The stream in chunks, each as long as the next of the sizes and one byte, over and over; in one chunk if there are none.
pub fn chunks<'a>(sizes: &[u8], mut stream: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().map(|size| usize::from(*size) + 1).cycle();
    std::iter::from_fn(move || {
        let length = sizes.next().unwrap_or(stream.len()).min(stream.len());
        let (chunk, rest) = stream.split_at(length);
        stream = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_in_turn_and_then_there_is_nothing() {
        let mut input = Input::new(&[7, 1, 2, 2, b'a', b'b', 1, 9]);
        assert_eq!((input.byte(), input.up_to(1000), input.text().as_str()), (7, 258, "ab"));
        assert_eq!((input.piece(), input.is_empty()), (&[9][..], true));
        assert_eq!((input.byte(), input.up_to(9), input.piece(), input.rest()), (0, 0, &[][..], &[][..]));
    }

    #[test]
    fn chunks_are_the_stream() {
        let cut = |sizes: &[u8]| chunks(sizes, b"abcdef").map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(cut(&[]), [6]);
        assert_eq!(cut(&[0, 1]), [1, 2, 1, 2]);
        assert_eq!(chunks(&[3], b"abcdef").collect::<Vec<_>>().concat(), b"abcdef");
    }
}
