//! Connection files of kernels: on the transport of the published file, the same after a restart, closed with their kernel.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use jupyter_fleet::{
    channel::Channel,
    fleet::{
        Local, LocalSettings,
        confine::{Confinement, ConfinementChoice},
    },
    id::KernelId,
    jupyter::{
        address::Address,
        connection_file::{ConnectionFile, Location},
        scheme::SecretKey,
    },
    limits::Limits,
    net::Server,
    proxy::{EndpointError, Parts, Proxy},
    route::{Bounds, RestartRight},
    runtimes::{Launch, Runtime, write_connection_file},
    state::{Entry, Journal},
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jupyter-fleet");
const DEADLINE: Duration = Duration::from_secs(30);

type AddressOf = fn(&Path) -> Location;

fn tcp(_: &Path) -> Location {
    Location::Tcp([127, 0, 0, 1].into())
}

fn ipc(state: &Path) -> Location {
    Location::Ipc(state.join("published").to_string_lossy().into_owned())
}

/// A fleet with one Lua kernel, in reserve. Nobody listens at its published file.
struct Fleet<'a> {
    proxy: Arc<Proxy>,
    state: &'a Path,
    kernel: KernelId,
}

impl<'a> Fleet<'a> {
    async fn start(address: AddressOf, state: &'a Path) -> Self {
        let ports = Server::bind(&address(state), None).await.unwrap().ports();
        let published = ConnectionFile::new(address(state), ports, SecretKey::new("published")).unwrap();
        let argv = [BINARY, "lua-kernel", "-f", "{connection_file}"].map(str::to_owned).to_vec();
        let launch = Launch::Argv { argv, env: BTreeMap::new(), cwd: None };
        let proxy = Proxy::new(Parts {
            published,
            runtimes: vec![Arc::new(Runtime { launch, ..Runtime::builtin_lua() })],
            default_runtime: 0,
            skipped: Vec::new(),
            provisioner: Arc::new(Local::new(LocalSettings {
                directory: state.to_owned(),
                fleet: "test".to_owned(),
                program: BINARY.into(),
                hidden: None,
                open_files: None,
                confinement: Arc::new(Confinement::find(ConfinementChoice::Rlimit, state).unwrap()),
            })),
            limits: Arc::new(Limits::default()),
            restart: RestartRight::Anyone,
            bounds: Bounds::default(),
            journal: Journal::open(&state.join("journal"), Entry::NONE).unwrap().0,
        });
        proxy.fill_pools();
        let kernel = until("a kernel", || kernel_in(state)).await;
        Self { proxy, state, kernel }
    }

    async fn stop(self) {
        assert!(self.proxy.stop_all(DEADLINE).await, "the kernel does not end");
    }

    /// What a cell prints that a client runs by this connection file.
    async fn run(&self, file: &ConnectionFile, code: &str) -> String {
        let path = self.state.join("endpoint.json");
        write_connection_file(&path, file).unwrap();
        let mut exec = Command::new(BINARY);
        exec.arg("exec").arg("--existing").arg(path).args(["--timeout", "20", "-c", code]);
        let output = tokio::task::spawn_blocking(move || exec.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn kernel_in(state: &Path) -> Option<KernelId> {
    let entries = std::fs::read_dir(state).unwrap().filter_map(Result::ok);
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.find_map(|name| Some(KernelId::from(name.strip_prefix("kernel-")?.strip_suffix(".json")?)))
}

async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether nobody listens at any of the file's addresses.
fn is_closed(file: &ConnectionFile) -> bool {
    Channel::ALL.into_iter().all(|channel| match file.address(channel) {
        Address::Tcp(address) => std::net::TcpStream::connect(address).is_err(),
        Address::Ipc(path) => std::os::unix::net::UnixStream::connect(path).is_err(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_is_on_the_transport_of_the_published_file_and_leads_to_its_kernel() {
    for address in [tcp, ipc] {
        let state = TempDir::new().unwrap();
        let fleet = Fleet::start(address, state.path()).await;
        let endpoint = fleet.proxy.open_kernel_endpoint(&fleet.kernel).await.unwrap();
        let same_kind = matches!(
            (endpoint.location(), address(state.path())),
            (Location::Tcp(_), Location::Tcp(_)) | (Location::Ipc(_), Location::Ipc(_))
        );
        assert!(same_kind, "{:?}", endpoint.location());
        assert_eq!(endpoint.kernel_name.as_deref(), Some("lua"));
        assert_eq!(fleet.run(&endpoint, "print('inside')").await, "inside\n");
        assert_eq!(fleet.proxy.open_kernel_endpoint(&fleet.kernel).await.unwrap(), endpoint);
        assert_eq!(fleet.proxy.kernel_endpoints(), [(fleet.kernel.clone(), endpoint)]);
        fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_open_a_door_at_the_same_time_get_the_same() {
    let state = TempDir::new().unwrap();
    let fleet = Fleet::start(ipc, state.path()).await;
    let open = || fleet.proxy.open_kernel_endpoint(&fleet.kernel);
    let (one, two) = tokio::join!(open(), open());
    let endpoint = one.unwrap();
    assert_eq!(two.unwrap(), endpoint);
    assert_eq!(fleet.run(&endpoint, "print(1)").await, "1\n");
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_is_closed_with_its_kernel_and_can_be_opened_again_as_it_was() {
    for address in [tcp, ipc] {
        let state = TempDir::new().unwrap();
        let fleet = Fleet::start(address, state.path()).await;
        let endpoint = fleet.proxy.open_kernel_endpoint(&fleet.kernel).await.unwrap();
        assert!(!is_closed(&endpoint));
        let proxy = fleet.proxy.clone();
        fleet.stop().await;
        assert_eq!(proxy.kernel_endpoints(), []);
        until("the endpoint to be closed", || is_closed(&endpoint).then_some(())).await;

        let fleet = Fleet::start(address, state.path()).await;
        fleet.proxy.reopen_kernel_endpoint(&fleet.kernel, endpoint.clone()).await.unwrap();
        assert_eq!(fleet.proxy.kernel_endpoints(), [(fleet.kernel.clone(), endpoint.clone())]);
        assert_eq!(fleet.run(&endpoint, "print('again')").await, "again\n");
        fleet.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_kernel_has_no_file() {
    let state = TempDir::new().unwrap();
    let fleet = Fleet::start(tcp, state.path()).await;
    for unknown in ["00000000", "kernel"] {
        let error = fleet.proxy.open_kernel_endpoint(&KernelId::from(unknown)).await.unwrap_err();
        assert!(matches!(&error, EndpointError::NoSuchKernel(id) if id.as_str() == unknown), "{error}");
    }
    let endpoint = fleet.proxy.open_kernel_endpoint(&fleet.kernel).await.unwrap();
    let taken = fleet.proxy.reopen_kernel_endpoint(&KernelId::from("00000000"), endpoint).await.unwrap_err();
    assert!(matches!(&taken, EndpointError::Bind(_)), "{taken}");
    fleet.stop().await;
}
