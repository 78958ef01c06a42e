//! `attach`: the process that a host takes for its kernel.

use std::{env, path::absolute};

use crate::{
    attach::{Options, run},
    cli::attach::AttachArguments,
    runtimes::{Directories, Environment},
};

/// Stands for the host's kernel until the host needs it no more.
pub fn attach(arguments: AttachArguments, environment: &Environment) -> anyhow::Result<()> {
    let request = arguments.meaning().unwrap_or_else(|error| error.exit());
    let options = Options {
        connection_file: absolute(&request.connection_file)?,
        directories: Directories::of(environment),
        wishes: request.fleet,
        directory: env::current_dir().ok(),
        arguments: request.arguments,
        environment: env::vars_os().collect(),
        patience: request.patience,
        starter: if request.start { Some(env::current_exe()?) } else { None },
        // What jupyter_client tells kernels, so that they end with their host.
        host: env::var("JPY_PARENT_PID").ok().and_then(|pid| pid.parse().ok()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(run(options));
    runtime.shutdown_background();
    Ok(ended?)
}
