//! The binary: parses the command line, starts the log, runs one command.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use jupyter_fleet::{
    app,
    cli::{self, Cli, Command, LogFormat},
    runtimes::Environment,
};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    match run(cli) {
        Ok(code) => code,
        Err(error) => print_error(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let environment = Environment::of_this_process;
    let out = &mut io::stdout();
    match cli.command {
        Command::Serve(arguments) => app::serve(arguments, &environment()?, out)?,
        Command::Runtimes(arguments) => cli::runtimes::run(&arguments, &environment()?, out)?,
        Command::Kernelspec(arguments) => cli::kernelspec::run(arguments, &environment()?, out)?,
        Command::LuaKernel(arguments) => app::lua_kernel(&arguments)?,
        Command::Attach(arguments) => app::attach(arguments, &environment()?)?,
        Command::Exec(arguments) => return app::exec(arguments, &environment()?),
        Command::StartKernel(arguments) => return Ok(app::start_kernel(arguments)),
        Command::LlmspellKernel(arguments) => app::llmspell_kernel(arguments)?,
        Command::EndWithParent(arguments) => return Ok(app::end_with_parent(arguments)),
        Command::Operate(operation) => cli::operate::run(operation, &environment()?, out)?,
        Command::Completions(arguments) => cli::generate::completions(&arguments, out)?,
        Command::Man(arguments) => cli::generate::man(&arguments, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn start_log(cli: &Cli) {
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let log = match cli.log.format {
        LogFormat::Human => log.with_target(false).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    tracing_subscriber::registry().with(log.with_filter(cli.log_filter())).init();
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where an error reaches the person who typed the command"
)]
fn print_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("jupyter-fleet: {error:#}");
    ExitCode::from(cli::exit_code::of(error))
}
