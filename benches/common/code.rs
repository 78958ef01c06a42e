//! The language of the synthetic kernel: what an `execute_request` can ask it to send between `busy` and `idle`.

use std::{fmt, str::FromStr};

use anyhow::{Context, bail};

/// One cell. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// Nothing.
    Echo,
    /// `count` messages `stream`, each with a text of `size`.
    Stream { count: usize, size: usize },
    /// A `display_data` with a content of `size`.
    Json { size: usize },
    /// A `comm_msg` with a buffer of `size`.
    Buffers { size: usize },
}

/// A kernel's output, ready to be sent.
#[derive(Debug, Default)]
pub struct Output {
    pub msg_type: &'static str,
    pub content: Vec<u8>,
    pub buffer: Option<Vec<u8>>,
}

impl Code {
    /// How many messages come between `busy` and `idle`.
    pub fn outputs(self) -> usize {
        match self {
            Self::Echo => 0,
            Self::Stream { count, .. } => count,
            Self::Json { .. } | Self::Buffers { .. } => 1,
        }
    }

    /// The bytes that all outputs together are about.
    pub fn payload(self) -> usize {
        match self {
            Self::Echo => 0,
            Self::Stream { count, size } => count * size,
            Self::Json { size } | Self::Buffers { size } => size,
        }
    }

    /// What each output is.
    pub fn output(self) -> Output {
        match self {
            Self::Echo => Output::default(),
            Self::Stream { size, .. } => Output {
                msg_type: "stream",
                content: format!(r#"{{"name":"stdout","text":"{}"}}"#, "x".repeat(size)).into(),
                buffer: None,
            },
            Self::Json { size } => {
                let (start, end) = (r#"{"metadata":{},"data":{"application/json":""#, r#""}}"#);
                let padding = "x".repeat(size.saturating_sub(start.len() + end.len()));
                Output {
                    msg_type: "display_data",
                    content: format!("{start}{padding}{end}").into(),
                    buffer: None,
                }
            }
            Self::Buffers { size } => Output {
                msg_type: "comm_msg",
                content: r#"{"comm_id":"synthetic","data":{}}"#.into(),
                buffer: Some(vec![b'x'; size]),
            },
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo => formatter.write_str("echo"),
            Self::Stream { count, size } => write!(formatter, "stream {count} {size}"),
            Self::Json { size } => write!(formatter, "json {size}"),
            Self::Buffers { size } => write!(formatter, "buffers {size}"),
        }
    }
}

impl FromStr for Code {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut number = || -> anyhow::Result<usize> {
            let word = words.next().with_context(|| format!("a number is missing in {text:?}"))?;
            word.parse().with_context(|| format!("{word:?} is no number in {text:?}"))
        };
        Ok(match name {
            "echo" => Self::Echo,
            "stream" => Self::Stream { count: number()?, size: number()? },
            "json" => Self::Json { size: number()? },
            "buffers" => Self::Buffers { size: number()? },
            _ => bail!(
                "the synthetic kernel knows echo, stream N SIZE, json SIZE and buffers SIZE, not {text:?}"
            ),
        })
    }
}
