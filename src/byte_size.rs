//! A number of bytes as people write it.
use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The units, largest first, and how many bits they shift.
const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

/// A number of bytes, at least one: `512M`, `2GiB`, `1073741824`.
///
/// Every unit is a power of 1024, with or without the `i` and the `B`, in either case: a memory limit of `1G` is what
/// the kernel's host means by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(NonZeroU64);

impl ByteSize {
    /// `None` for zero bytes.
    pub fn new(bytes: u64) -> Option<Self> {
        NonZeroU64::new(bytes).map(Self)
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        parse(text).ok_or_else(|| InvalidByteSize { found: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<ByteSize> {
    let text = text.trim();
    let digits_end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(digits_end)?;
    let shift = shift_of(&suffix.trim_start().to_ascii_uppercase())?;
    ByteSize::new(digits.parse::<u64>().ok()?.checked_mul(1 << shift)?)
}

fn shift_of(suffix: &str) -> Option<u32> {
    let unit = suffix.strip_suffix('B').unwrap_or(suffix);
    if unit.is_empty() {
        return Some(0);
    }
    let unit = unit.strip_suffix('I').unwrap_or(unit);
    UNITS.into_iter().find(|(letter, _)| unit.strip_prefix(*letter) == Some("")).map(|(_, shift)| shift)
}

impl fmt::Display for ByteSize {
    /// The largest unit that leaves a whole number: what is displayed is read again as the same size.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        match UNITS.into_iter().find(|(_, shift)| bytes.trailing_zeros() >= *shift) {
            Some((unit, shift)) => formatter.pad(&format!("{}{unit}", bytes >> shift)),
            None => formatter.pad(&bytes.to_string()),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = ByteSize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a size such as \"512M\" or a number of bytes, at least 1")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        ByteSize::new(bytes).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(bytes), &self))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        let size = u64::try_from(bytes).ok().and_then(ByteSize::new);
        size.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }
}

/// Text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a size: use a whole number of bytes, at least 1, or one with K, M, G or T, as in \"512M\""
)]
pub struct InvalidByteSize {
    /// The text that was given.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_powers_of_1024_however_they_are_written() {
        for text in ["1073741824", "1G", "1g", "1GB", "1Gi", "1GiB", "1024M", "1 gib", " 1048576K "] {
            assert_eq!(text.parse(), Ok(ByteSize::new(1 << 30).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_by_name() {
        for text in ["", "G", "0", "0M", "-1M", "1.5G", "1X", "1i", "1GG", "1MBB", "99999999999T", "1é"] {
            let error = text.parse::<ByteSize>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn json_may_be_text_or_a_number() {
        let half = ByteSize::new(512 << 20).unwrap();
        for json in ["\"512M\"", "536870912"] {
            assert_eq!(serde_json::from_str::<ByteSize>(json).unwrap(), half);
        }
        for json in ["0", "-1", "1.5", "null", "\"much\""] {
            assert!(serde_json::from_str::<ByteSize>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&half).unwrap(), "\"512M\"");
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_again(bytes in 1..=u64::MAX) {
            let size = ByteSize::new(bytes).unwrap();
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<ByteSize>();
        }
    }
}
