//! `exec`: runs code in a kernel of a fleet, and tells by its exit code how that ended.

use std::{
    io::{self, Read},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;

use crate::{
    cli::{
        exec::{CodeSource, ExecArguments},
        exit_code::{self, NO_FLEET, USAGE},
    },
    exec::{ExecError, Options, Outcome, ProcessTerminal, run},
    runtimes::{Directories, Environment},
};

/// The code raised an error, or no kernel could be had for it.
const RAISED: u8 = exit_code::FAILED;

/// What shells report of a program that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs code and shows what it prints.
pub fn exec(arguments: ExecArguments, environment: &Environment) -> anyhow::Result<ExitCode> {
    let request = arguments.meaning(&Directories::of(environment));
    let code = match read_code(request.code) {
        Ok(code) => code,
        Err(error) => return Ok(report(&format!("{error:#}"), USAGE)),
    };
    let options = Options {
        connection_file: request.connection_file,
        fleet: request.fleet,
        code,
        timeout: request.timeout,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(run(options, Arc::new(ProcessTerminal::default())));
    // A thread may still wait for a line that nobody needs any more.
    runtime.shutdown_background();
    Ok(match ended {
        Ok(Outcome::Succeeded) => ExitCode::SUCCESS,
        Ok(Outcome::Raised) => ExitCode::from(RAISED),
        Ok(Outcome::Aborted) => {
            report("the kernel did not run the code, because a cell before it failed", RAISED)
        }
        Ok(Outcome::Left) => ExitCode::from(INTERRUPTED),
        Err(error @ ExecError::Refused(_)) => report(&error.to_string(), RAISED),
        Err(error) => report(&error.to_string(), NO_FLEET),
    })
}

fn read_code(source: CodeSource) -> anyhow::Result<String> {
    match source {
        CodeSource::Inline(code) => Ok(code),
        CodeSource::File(path) => std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the code in {}", path.display())),
        CodeSource::StandardInput => {
            let mut code = String::new();
            io::stdin().read_to_string(&mut code).context("cannot read the code on standard input")?;
            Ok(code)
        }
    }
}

#[expect(clippy::print_stderr, reason = "an error of the command, for the person who typed it")]
fn report(error: &str, code: u8) -> ExitCode {
    eprintln!("jupyter-fleet: {error}");
    ExitCode::from(code)
}
