//! Starting a fleet where none runs.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

/// What Jupyter tells a kernel of its host. A fleet outlives the host that happened to start it, and its kernels must
/// not end with that.
const OF_THE_HOST: [&str; 3] = ["JPY_PARENT_PID", "JPY_SESSION_NAME", "JPY_INTERRUPT_EVENT"];

/// Runs `serve --detach` of this program to its end, which is when a fleet runs.
///
/// # Errors
/// It could not; the text says why.
pub(super) async fn start_fleet(program: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(["serve", "--detach"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    for name in OF_THE_HOST {
        command.env_remove(name);
    }
    let ended = command.output().await;
    let ended = ended.map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    if said.is_empty() {
        return Err(format!("`jupyter-fleet serve --detach` ended with {}", ended.status));
    }
    Err(said)
}
