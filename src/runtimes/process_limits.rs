//! What a runtime allows to the processes of a kernel, apart from memory.
use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The limits of a runtime's kernels that no client asks for; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// The most processor time, in cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<Cores>,
    /// The most processes, each thread counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_processes: Option<NonZeroU32>,
    /// The most files that one process may have open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<NonZeroU32>,
    /// How much the kernel gives way to other processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<Nice>,
}

/// Processor cores, in thousandths: `1.5` is the time of one and a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cores(u32);

impl Cores {
    /// The least that the system can hold: 1 ms in each period of 100 ms (cpu.cfs_quota_us).
    const LEAST: f64 = 0.01;
    const MOST: f64 = 1e6;

    /// `None` for less than 0.01, and for what no machine has.
    pub fn new(cores: f64) -> Option<Self> {
        // NaN is in no range.
        let allowed = (Self::LEAST..=Self::MOST).contains(&cores);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 1e9, and not negative"
        )]
        allowed.then(|| Self((cores * 1000.0).round() as u32))
    }

    /// Thousandths of a core.
    pub fn thousandths(self) -> u32 {
        self.0
    }

    /// How many threads can run at once: the whole cores that have begun, at least one.
    pub fn threads(self) -> u32 {
        self.0.div_ceil(1000)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", f64::from(self.0) / 1000.0)
    }
}

impl Serialize for Cores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cores = f64::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format!("{cores} is no number of cores: at least 0.01, as in 1.5"));
        Self::new(cores).ok_or_else(wrong)
    }
}

/// A niceness, from -20 (first in the queue, for privileged users) to 19: setpriority(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Nice(i32);

impl TryFrom<i32> for Nice {
    type Error = NotNice;

    fn try_from(number: i32) -> Result<Self, NotNice> {
        if (-20..=19).contains(&number) { Ok(Self(number)) } else { Err(NotNice(number)) }
    }
}

impl From<Nice> for i32 {
    fn from(nice: Nice) -> Self {
        nice.0
    }
}

/// A number that is no niceness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no niceness: from -20 to 19")]
pub struct NotNice(i32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_the_cores_that_have_begun() {
        for (cores, threads) in [(0.01, 1), (0.5, 1), (1.0, 1), (1.001, 2), (1.5, 2), (4.0, 4)] {
            assert_eq!(Cores::new(cores).unwrap().threads(), threads, "{cores}");
        }
    }

    #[test]
    fn cores_are_written_as_they_are_read() {
        for text in ["1.5", "2.0", "0.01", "0.333"] {
            let cores: Cores = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&cores).unwrap(), text);
        }
        assert_eq!(serde_json::from_str::<Cores>("2").unwrap(), Cores::new(2.0).unwrap());
        for text in ["0", "-1", "0.009", "1e9", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Cores>(text).is_err(), "{text}");
        }
        assert_eq!((Cores::new(f64::NAN), Cores::new(f64::INFINITY)), (None, None));
    }

    #[test]
    fn niceness_is_bounded() {
        assert_eq!(serde_json::from_str::<Nice>("-20").unwrap(), Nice(-20));
        for text in ["-21", "20"] {
            assert!(serde_json::from_str::<Nice>(text).unwrap_err().to_string().contains("from -20 to 19"));
        }
    }
}
