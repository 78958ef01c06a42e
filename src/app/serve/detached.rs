//! `serve` in the background, as `serve --detach` has started it.

use std::{
    io::{self, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::{io::Errno, process::setsid};
use tokio::time::{Instant, sleep};

use crate::{channel::Channel, jupyter::address::Address, runtimes::read_connection_file};

/// How long another `serve`, which may only be starting, is waited for: less than who has started this one waits.
const OTHER: Duration = Duration::from_secs(15);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Leaves the terminal and the process group of whoever started this, so that what ends them does not end it.
pub(super) fn begin_session() -> anyhow::Result<()> {
    match setsid() {
        // In a scope of systemd the same process runs this program for the second time, and leads its session already.
        Ok(_) | Err(Errno::PERM) => Ok(()),
        Err(other) => Err(other).context("cannot begin a session"),
    }
}

/// A fleet is served already, which is as good: says so once its clients can connect.
pub(super) fn join(pid: &str, file: &Path, connect: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    if !runtime.block_on(accepts(file)) {
        bail!(
            "a fleet is being served already, by process {pid}, but nobody can connect by {}: stop it (kill {pid}) and try \
             again, or use the connection file that it publishes",
            file.display()
        );
    }
    writeln!(out, "A fleet is being served already, by process {pid}\n{connect}")?;
    Ok(out.flush()?)
}

/// Whether somebody listens where a connection file says, before the deadline.
async fn accepts(file: &Path) -> bool {
    let deadline = Instant::now() + OTHER;
    while Instant::now() < deadline {
        if read_connection_file(file).is_ok_and(|found| connect(&found.address(Channel::Shell)).is_ok()) {
            return true;
        }
        sleep(LOOK).await;
    }
    false
}

fn connect(address: &Address) -> io::Result<()> {
    match address {
        Address::Tcp(address) => TcpStream::connect_timeout(address, Duration::from_secs(1)).map(drop),
        Address::Ipc(path) => UnixStream::connect(path).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use crate::{jupyter::connection_file::ConnectionFile, runtimes::write_connection_file};

    use super::*;

    #[test]
    fn another_fleet_is_joined_once_it_accepts() {
        let home = tempfile::TempDir::new().unwrap();
        let file = home.path().join("kernel-fleet.json");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let others = r#""iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5, "key": "k"}"#;
        let json = format!(r#"{{"ip": "127.0.0.1", "shell_port": {port}, {others}"#);
        write_connection_file(&file, &ConnectionFile::parse(json.as_bytes()).unwrap()).unwrap();
        let mut said = Vec::new();
        join("7", &file, "Connect with: x", &mut said).unwrap();
        assert_eq!(said, b"A fleet is being served already, by process 7\nConnect with: x\n");
    }
}
