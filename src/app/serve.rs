//! `serve`, from the config to the last kernel's end.

mod detached;
mod past;
mod publish;

use std::{borrow::Cow, io::Write, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tracing::{info, warn};

use super::{confine::confine, detach::detach};
use crate::{
    admin::{Admin, AdminSocket},
    channel::Channel,
    cli::{
        runtimes::find_runtimes,
        serve::{ServeArguments, ServeSettings},
    },
    config::Config,
    fleet::{Local, LocalSettings, confine::Confinement},
    jupyter::connection_file::{ConnectionFile, Location},
    proxy::{Parts, Proxy},
    route::Skipped,
    runtimes::{Directories, Environment, Runtimes, SkippedKernelspec, create_directory},
    shutdown::Shutdown,
    state::{StateDirectory, StateError},
};
use past::Found;

/// How long clients may take to read what waits for them when `serve` ends.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// How long kernels may take to end once they were killed.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// How the line begins that says how to connect, once clients can.
pub(super) const CONNECT_WITH: &str = "Connect with: ";

/// Publishes the connection file and runs the fleet until it is stopped.
pub fn serve(
    arguments: ServeArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if arguments.detaches() {
        return detach(environment, out);
    }
    let is_detached = arguments.is_detached();
    if is_detached {
        detached::begin_session()?;
    }
    let config = Config::load(arguments.config.file.as_deref(), environment)?;
    let settings = arguments.meaning(&config, environment)?;
    let runtimes = find_runtimes(&config, environment, settings.default_runtime.as_ref())?;
    let directories = Directories::of(environment);
    create_directory(&directories.runtime)?;
    let connect = how_to_connect(&settings.connection_file, &directories.runtime);
    let state = match StateDirectory::take(directories.state()) {
        Err(StateError::Taken { pid, .. }) if is_detached => {
            return detached::join(&pid, &settings.connection_file, &connect, out);
        }
        taken => taken?,
    };
    let confinement = Arc::new(confine(config.confinement, state.path(), &runtimes)?);
    super::confine::warn_of_unlimited(config.bounds, &runtimes);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(config, settings, &runtimes, &connect, state, &confinement, out));
    confinement.leave();
    ended
}

async fn run(
    config: Config,
    settings: ServeSettings,
    runtimes: &Runtimes,
    connect: &str,
    state: StateDirectory,
    confinement: &Arc<Confinement>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let shutdown = Shutdown::default();
    watch_signals(shutdown.clone())?;
    let (server, published) = publish::bind(&settings, &state).await?;
    let admin = bind_admin(state.path()).await?;
    let limits = Arc::new(config.limits);
    let hidden = settings.key.as_ref().map(|key| key.variable.clone());
    let Found { past, retired, journal } = past::find(&state, runtimes)?;
    let proxy = Proxy::new(Parts {
        published: published.clone(),
        default_runtime: position(runtimes),
        runtimes: runtimes.iter().cloned().chain(retired).collect(),
        skipped: runtimes.skipped().iter().map(skipped).collect(),
        provisioner: Arc::new(Local::new(LocalSettings {
            directory: state.path().to_owned(),
            fleet: state.id().to_owned(),
            program: std::env::current_exe().context("cannot find this program's own file")?,
            hidden,
            open_files: raise_open_files(),
            confinement: confinement.clone(),
        })),
        limits: limits.clone(),
        restart: config.restart,
        journal,
        bounds: config.bounds,
    });
    proxy.resume(past).await;
    proxy.open_published(server);
    let mut tasks = JoinSet::new();
    if let Some(socket) = admin {
        let held_by = confinement.to_string();
        let admin = Admin::new(proxy.clone(), &settings.connection_file, state.registry(), held_by);
        tasks.spawn(admin.serve(socket));
    }
    tasks.spawn(proxy.clone().keep_registry(state.registry()));
    tasks.spawn(proxy.clone().look_after_kernels(state.id().to_owned(), state.path().to_owned()));
    state.remember_published(&published)?;
    publish::publish(&settings, &published)?;
    proxy.fill_pools();
    tasks.spawn(proxy.clone().cull_idle_kernels());
    let told = tell(out, &published, connect);
    if told.is_ok() {
        shutdown.asked().await;
    }
    publish::unpublish(&settings, &published);
    proxy.close_published();
    if settings.ephemeral {
        info!("stopping; a second signal kills what is still running");
        tasks.shutdown().await;
        stop_kernels(&proxy, &shutdown, limits.stop() * 3).await;
    } else {
        tasks.shutdown().await;
        leave_kernels(&proxy);
    }
    proxy.drain(LAST_REPLIES).await;
    proxy.write_registry(&state.registry());
    info!(metrics = %proxy.metrics(), "stopped");
    told.context("cannot print the addresses")
}

/// Kernels outlive `serve`: the next one takes them up.
fn leave_kernels(proxy: &Proxy) {
    let left = proxy.leave_kernels();
    if left > 0 {
        info!(
            "{left} kernels go on running with their state: the next `jupyter-fleet serve` takes them up (and stops them on \
             exit, if it is told --ephemeral)"
        );
    }
}

/// Where the commands that look after the fleet reach it.
async fn bind_admin(state: &Path) -> anyhow::Result<Option<AdminSocket>> {
    match AdminSocket::bind(state).await {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.error.kind() == std::io::ErrorKind::InvalidInput => {
            warn!(%error, "the path is too long for a socket, so that list, stop and the like cannot reach this fleet: give serve and them a shorter \
                 JUPYTER_RUNTIME_DIR");
            Ok(None)
        }
        Err(error) => Err(error).context(
            "is another fleet running here? Each needs a runtime directory of its own (JUPYTER_RUNTIME_DIR)",
        ),
    }
}

fn position(runtimes: &Runtimes) -> usize {
    let default = runtimes.default_runtime();
    runtimes.iter().position(|runtime| runtime.name == default.name).unwrap_or(0)
}

/// Prints every bound address, and how to connect.
fn tell(out: &mut dyn Write, published: &ConnectionFile, connect: &str) -> std::io::Result<()> {
    for channel in Channel::ALL {
        writeln!(out, "{channel:<10} {}", published.address(channel))?;
    }
    if let Location::Tcp(ip) = published.location()
        && !ip.is_loopback()
    {
        warn!(
            "other machines can connect, and what passes is signed but not encrypted: use a trusted network"
        );
    }
    writeln!(out, "{connect}")?;
    out.flush()
}

fn how_to_connect(file: &Path, runtime_directory: &Path) -> String {
    let usual = runtime_directory.join("kernel-fleet.json");
    let name = if file == usual { Cow::from("fleet") } else { file.to_string_lossy() };
    format!("{CONNECT_WITH}jupyter console --existing {name}")
}

async fn stop_kernels(proxy: &Proxy, shutdown: &Shutdown, patience: Duration) {
    let all_gone = tokio::select! {
        all_gone = proxy.stop_all(patience) => all_gone,
        () = shutdown.insisted() => false,
    };
    if !all_gone && !proxy.kill_all(AFTER_KILL).await {
        warn!("some kernels could not be ended");
    }
}

/// SIGINT, SIGTERM, and SIGHUP of a terminal that is closed: the first asks, the second insists.
fn watch_signals(shutdown: Shutdown) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            shutdown.advance();
        }
    });
    Ok(())
}

/// A session's five sockets.
const FILES_OF_A_SESSION: u64 = 5;

/// Files that `serve` has open for itself and for a few kernels; each kernel takes about ten.
const FILES_OF_ITS_OWN: u64 = 100;

/// Each session takes five sockets: the soft limit of 1,024 files would be reached with 200 of them. Returns what it
/// was, for the kernels.
fn raise_open_files() -> Option<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    let set = setrlimit(Resource::Nofile, raised);
    match getrlimit(Resource::Nofile).current {
        None => info!("open files are not limited"),
        Some(files) => info!(
            files,
            "open files allow for about {} sessions; for more, raise the hard limit (ulimit -Hn, LimitNOFILE=)",
            files.saturating_sub(FILES_OF_ITS_OWN) / FILES_OF_A_SESSION
        ),
    }
    set.inspect_err(|error| warn!(%error, "cannot raise the limit on open files")).is_ok().then_some(before)
}

fn skipped(kernelspec: &SkippedKernelspec) -> Skipped {
    Skipped { runtime: kernelspec.name(), reason: kernelspec.to_string() }
}
