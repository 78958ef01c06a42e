//! Counts that the system bounds.
use std::{fmt, fs, num::NonZeroU32};

use serde::{Deserializer, de};

/// The most processes of a machine, and the largest `pids.max`: `PID_MAX_LIMIT`, proc_sys_kernel(5).
const MOST_PROCESSES: u32 = 1 << 22;

/// The most files of a process that the system usually allows, where it does not say.
const USUAL_FILES: u32 = 1 << 20;

/// Reads `max_processes`.
pub(super) fn processes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    deserializer.deserialize_any(Count { most: MOST_PROCESSES }).map(Some)
}

/// Reads `open_files`, which the system bounds for everyone: `/proc/sys/fs/nr_open`, proc_sys_fs(5).
pub(super) fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    let bound = fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    deserializer.deserialize_any(Count { most: bound.unwrap_or(USUAL_FILES) }).map(Some)
}

/// A whole number from 1 to this.
struct Count {
    most: u32,
}

impl de::Visitor<'_> for Count {
    type Value = NonZeroU32;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a whole number from 1 to {}, the most that this system takes", self.most)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<NonZeroU32, E> {
        let count = u32::try_from(number).ok().filter(|count| *count <= self.most).and_then(NonZeroU32::new);
        count.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }
}
