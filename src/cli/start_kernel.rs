//! `jupyter-fleet start-kernel`: what `serve` starts every kernel with; nobody types it.
use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use crate::fleet::{OpenFiles, Start};

/// What is given after `start-kernel`.
#[derive(Debug, Clone, Args)]
pub struct StartKernelArguments {
    /// A cgroup.procs to join
    #[arg(long = "cgroup", value_name = "PROCS_FILE")]
    groups: Vec<PathBuf>,
    /// The most memory that each process may allocate by itself, in bytes
    #[arg(long, value_name = "BYTES")]
    memory: Option<u64>,
    /// The most open files of each process
    #[arg(long, value_name = "SOFT[:HARD]")]
    open_files: Option<OpenFiles>,
    /// The niceness
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    nice: Option<i32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    argv: Vec<OsString>,
}

impl StartKernelArguments {
    /// What is to be started.
    pub fn meaning(self) -> Start {
        let Self { groups, memory, open_files, nice, argv } = self;
        Start { groups, memory, open_files, nice, argv }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};

    use super::*;

    fn read_again(start: &Start) -> Start {
        let program = OsString::from("jupyter-fleet");
        let cli = Cli::try_parse_from([program].into_iter().chain(start.arguments())).unwrap();
        let Command::StartKernel(arguments) = cli.command else { panic!("start-kernel was given") };
        arguments.meaning()
    }

    #[test]
    fn what_serve_writes_is_read_as_it_was_meant() {
        let argv = ["sh", "-c", "exit", "--", "--cgroup", "--log=x", ""].map(OsString::from).to_vec();
        let plain = Start { argv, ..Start::default() };
        assert_eq!(read_again(&plain), plain);
        let full = Start {
            groups: vec!["/sys/fs/cgroup/a b/cgroup.procs".into(), "/c/cgroup.procs".into()],
            memory: Some(1 << 30),
            open_files: Some(OpenFiles { soft: Some(1024), hard: None }),
            nice: Some(-5),
            ..plain
        };
        assert_eq!(read_again(&full), full);
    }

    #[test]
    fn one_number_of_files_is_both_limits() {
        assert_eq!("64".parse(), Ok(OpenFiles { soft: Some(64), hard: Some(64) }));
        assert!("many".parse::<OpenFiles>().is_err());
    }
}
