//! `attach`: a kernel to the program that started it, a client to the fleet.

use std::env;

use crate::{
    attach::{Options, run},
    cli::attach::AttachArguments,
    runtimes::{Directories, Environment},
};

/// Serves the host's connection file until the host needs it no more.
pub fn attach(arguments: AttachArguments, environment: &Environment) -> anyhow::Result<()> {
    let request = arguments.meaning(&Directories::of(environment)).unwrap_or_else(|error| error.exit());
    let options = Options {
        connection_file: request.connection_file,
        fleet_file: request.fleet_file,
        wishes: request.fleet,
        directory: env::current_dir().ok(),
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
