//! The command line: what can be typed, and what it means.
//!
//! Each command has a file with two types: its arguments as they are typed, and what they mean once the config and the
//! environment are known. What `serve`, `exec` and `lua-kernel` then do lives in the rooms below; here are the commands
//! that only ask and show: `runtimes`, and those of `operate`, which talk to the API of a running `serve`.
pub mod attach;
mod clients;
mod connect;
pub mod exec;
pub mod exit_code;
pub mod generate;
pub mod kernelspec;
mod list;
pub mod llmspell_kernel;
mod logs;
pub mod lua_kernel;
pub mod operate;
mod progress;
mod restart;
pub mod runtimes;
pub mod serve;
mod spawn;
pub mod start_kernel;
mod status;
mod stop;
mod table;
mod tail;
mod why;
mod wishes;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// One Jupyter connection file; a fleet of kernels behind it.
///
/// Any Jupyter client that opens the published connection file believes it talks to one kernel. Each gets the kernel
/// that it asks for, or the default one, in a process that it may share with others that ask for the same.
#[derive(Debug, Parser)]
#[command(name = "jupyter-fleet", version, propagate_version = true, after_help = exit_code::HELP)]
pub struct Cli {
    /// What is logged to standard error.
    #[command(flatten)]
    pub log: LogArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What jupyter-fleet can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish the connection file and run the fleet until SIGINT or SIGTERM
    Serve(serve::ServeArguments),
    /// Run code in a kernel of a running fleet and show what it prints
    Exec(exec::ExecArguments),
    /// Be a kernel to the program that starts this, with a kernel of the fleet behind it
    Attach(attach::AttachArguments),
    /// Run the built-in Lua kernel, as `serve` and other launchers of kernels do
    LuaKernel(lua_kernel::LuaKernelArguments),
    /// List what kernels can be launched
    Runtimes(runtimes::RuntimesArguments),
    /// Offer the fleet's runtimes as kernels to JupyterLab, notebooks and editors
    Kernelspec(kernelspec::KernelspecArguments),
    /// Become a kernel, within limits
    #[command(hide = true)]
    StartKernel(start_kernel::StartKernelArguments),
    /// Be a kernel around llmspell
    #[command(hide = true)]
    LlmspellKernel(llmspell_kernel::LlmspellKernelArguments),
    /// Become a program that is killed when its parent ends
    #[command(hide = true)]
    EndWithParent(llmspell_kernel::EndWithParentArguments),
    /// Look after a running fleet.
    #[command(flatten)]
    Operate(operate::Operation),
    /// Write completions for a shell to standard output
    Completions(generate::CompletionsArguments),
    /// Write the manual page to standard output, or those of all commands to a directory
    Man(generate::ManArguments),
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
pub struct LogArguments {
    /// What to log: a level (error, warn, info, debug, trace, off), or levels by module such as
    /// `warn,jupyter_fleet::route=debug` [default: info for serve, else warn]
    #[arg(long = "log", global = true, env = "JUPYTER_FLEET_LOG", value_name = "FILTER")]
    filter: Option<Targets>,
    /// How to write the log
    #[arg(long = "log-format", global = true, env = "JUPYTER_FLEET_LOG_FORMAT", default_value = "human")]
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Human,
    /// One JSON object per line
    Json,
}

/// Which config file is read.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArguments {
    /// The config file [default: jupyter_fleet.toml in Jupyter's config directory, if it exists]
    #[arg(long = "config", env = "JUPYTER_FLEET_CONFIG", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl Cli {
    /// What to log: what was asked for, else `info` for the one command that stays, and warnings for the others.
    pub fn log_filter(&self) -> Targets {
        self.log.filter.clone().unwrap_or_else(|| {
            Targets::new().with_default(match self.command {
                Command::Serve(_) => LevelFilter::INFO,
                _ => LevelFilter::WARN,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_log_can_be_chosen_before_and_behind_the_command() {
        for arguments in [["--log", "debug", "runtimes"], ["runtimes", "--log", "debug"]] {
            let cli = Cli::try_parse_from(["jupyter-fleet"].iter().chain(&arguments)).unwrap();
            assert_eq!(cli.log_filter(), Targets::new().with_default(LevelFilter::DEBUG));
        }
    }

    #[test]
    fn serve_logs_more_than_the_others() {
        let filter = |command| Cli::try_parse_from(["jupyter-fleet", command]).unwrap().log_filter();
        assert_eq!(filter("serve").default_level(), Some(LevelFilter::INFO));
        assert_eq!(filter("runtimes").default_level(), Some(LevelFilter::WARN));
    }

    #[test]
    fn a_wrong_filter_is_a_usage_error() {
        assert!(Cli::try_parse_from(["jupyter-fleet", "--log", "a=loud", "runtimes"]).is_err());
    }
}
