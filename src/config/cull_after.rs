//! A span of idle time as people write it: seconds, or text such as "30m".

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// After which idle time a kernel is stopped; 0 is never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct CullAfter(pub(super) Option<Duration>);

impl From<Duration> for CullAfter {
    fn from(span: Duration) -> Self {
        Self(Some(span).filter(|span| !span.is_zero()))
    }
}

impl<'de> Deserialize<'de> for CullAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = CullAfter;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("a number of seconds (0 is never), or a span of time such as \"30m\" or \"1h 30m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<CullAfter, E> {
        let span = humantime::parse_duration(text);
        span.map(CullAfter::from).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<CullAfter, E> {
        Ok(Duration::from_secs(seconds).into())
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<CullAfter, E> {
        let span = u64::try_from(seconds).map(Duration::from_secs);
        span.map(CullAfter::from).map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<CullAfter, E> {
        let span = Duration::try_from_secs_f64(seconds);
        span.map(CullAfter::from).map_err(|_| E::invalid_value(de::Unexpected::Float(seconds), &self))
    }
}
