//! `serve`, from the config to the last kernel's end.

use std::{
    io::Write,
    net::SocketAddr,
    num::NonZeroU16,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tracing::{info, warn};

use crate::{
    admin::{Admin, AdminSocket},
    channel::Channel,
    cli::{
        runtimes::find_runtimes,
        serve::{Listen, ServeArguments, ServeSettings},
    },
    config::Config,
    fleet::Local,
    jupyter::{
        connection_file::{Address, ConnectionFile, Ports},
        endpoint::Endpoint,
        scheme::SecretKey,
        signature::Signer,
    },
    net::Listener,
    proxy::{Parts, Proxy},
    runtimes::{
        Directories, Environment, Runtimes, create_directory, create_private_directory, read_connection_file,
        write_connection_file,
    },
    shutdown::Shutdown,
};

/// What the published file says its kernel is called; jupyter_server lists a file only if it names a kernel.
const PUBLISHED_NAME: &str = "fleet";

/// How long kernels may take to end once they were killed.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// Publishes the connection file and runs the fleet until it is stopped.
pub fn serve(
    arguments: ServeArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.file.as_deref(), environment)?;
    let settings = arguments.meaning(&config, environment)?;
    let runtimes = find_runtimes(&config, environment, settings.default_runtime.as_ref())?;
    let directories = Directories::of(environment);
    create_directory(&directories.runtime)?;
    let state = directories.state();
    create_private_directory(&state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(config, settings, &runtimes, &directories, state, out))
}

async fn run(
    config: Config,
    settings: ServeSettings,
    runtimes: &Runtimes,
    directories: &Directories,
    state: PathBuf,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let shutdown = Shutdown::default();
    watch_signals(shutdown.clone())?;
    let (listeners, published) = bind(&settings, &state).await?;
    let admin = bind_admin(&state).await?;
    let limits = Arc::new(config.limits);
    let hidden = settings.key.map(|key| key.variable);
    let proxy = Proxy::new(Parts {
        signer: Signer::new(published.signature_scheme, published.key.as_ref()),
        published: published.clone(),
        default_runtime: position(runtimes),
        runtimes: runtimes.iter().cloned().collect(),
        provisioner: Arc::new(Local::new(state, hidden, raise_open_files())),
        limits: limits.clone(),
        restart: config.restart,
    });
    let mut doors = JoinSet::new();
    for (channel, listener) in listeners {
        doors.spawn(proxy.clone().accept(channel, listener));
    }
    if let Some(socket) = admin {
        let admin = Admin::new(proxy.clone(), &settings.connection_file, &directories.runtime);
        doors.spawn(admin.serve(socket));
    }
    write_connection_file(&settings.connection_file, &published)?;
    proxy.fill_pools();
    let told = tell(out, &published, &settings.connection_file, &directories.runtime);
    if told.is_ok() {
        shutdown.asked().await;
    }
    info!("stopping; a second signal kills what is still running");
    unpublish(&settings.connection_file, &published);
    doors.shutdown().await;
    stop_kernels(&proxy, &shutdown, limits.stop() * 3).await;
    info!(metrics = %proxy.metrics(), "stopped");
    told.context("cannot print the addresses")
}

/// The five published sockets and the file that lists them.
async fn bind(
    settings: &ServeSettings,
    state: &Path,
) -> anyhow::Result<(Vec<(Channel, Listener)>, ConnectionFile)> {
    let key = match &settings.key {
        Some(given) => given.key.clone(),
        None => SecretKey::random()?,
    };
    let prefix = state.join("published").to_string_lossy().into_owned();
    let mut listeners = Vec::new();
    let mut ports = Vec::new();
    for (number, channel) in (1_u16..).zip(Channel::ALL) {
        let endpoint = match settings.listen {
            Listen::Tcp(ip) => Endpoint::Tcp(SocketAddr::new(ip, 0)),
            Listen::Ipc => Endpoint::Ipc(format!("{prefix}-{number}").into()),
        };
        let listener = Listener::bind(&endpoint).await?;
        ports.push(match listener.endpoint() {
            Endpoint::Tcp(address) => address.port(),
            Endpoint::Ipc(_) => number,
        });
        listeners.push((channel, listener));
    }
    let address = match settings.listen {
        Listen::Tcp(ip) => Address::Tcp(ip),
        Listen::Ipc => Address::Ipc(prefix),
    };
    let mut numbers = ports.into_iter().filter_map(NonZeroU16::new);
    let mut next = || numbers.next().context("the system gave no port");
    // In the order of `Channel::ALL`.
    let ports =
        Ports { shell: next()?, iopub: next()?, stdin: next()?, control: next()?, heartbeat: next()? };
    let mut published = ConnectionFile::new(address, ports, Some(key))?;
    published.kernel_name = Some(PUBLISHED_NAME.to_owned());
    Ok((listeners, published))
}

/// Where the commands that look after the fleet reach it.
async fn bind_admin(state: &Path) -> anyhow::Result<Option<AdminSocket>> {
    match AdminSocket::bind(state).await {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.error.kind() == std::io::ErrorKind::InvalidInput => {
            warn!(%error, "the path is too long for a socket: list, stop and the like cannot reach this fleet");
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
fn tell(
    out: &mut dyn Write,
    published: &ConnectionFile,
    file: &Path,
    runtime_directory: &Path,
) -> std::io::Result<()> {
    for channel in Channel::ALL {
        writeln!(out, "{channel:<10} {}", published.endpoint(channel))?;
    }
    if let Address::Tcp(ip) = published.address()
        && !ip.is_loopback()
    {
        warn!(
            "other machines can connect, and what passes is signed but not encrypted: use a trusted network"
        );
    }
    let usual = runtime_directory.join("kernel-fleet.json");
    let name = if file == usual { "fleet".into() } else { file.to_string_lossy() };
    writeln!(out, "Connect with: jupyter console --existing {name}")?;
    out.flush()
}

/// Removes the published file, unless someone else has published there since.
fn unpublish(file: &Path, published: &ConnectionFile) {
    let ours = read_connection_file(file).is_ok_and(|found| found == *published);
    if ours && let Err(error) = std::fs::remove_file(file) {
        warn!(file = %file.display(), %error, "cannot remove the published connection file");
    }
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

/// SIGINT and SIGTERM: the first asks, the second insists.
fn watch_signals(shutdown: Shutdown) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            shutdown.advance();
        }
    });
    Ok(())
}

/// Each session takes five sockets: the soft limit of 1,024 files would be reached with 200 of them. Returns what it
/// was, for the kernels.
fn raise_open_files() -> Option<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => Some(before),
        Err(error) => {
            warn!(%error, "cannot raise the limit on open files");
            None
        }
    }
}
