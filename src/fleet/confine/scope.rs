//! A delegated cgroup by the grace of systemd: `serve` runs itself once more, in a scope of its own.
//!
//! A scope for `serve`, not one per kernel: within it the fleet divides its groups itself, so a launch asks nobody, and
//! what ended a kernel can be read after its end. Kernels that outlive `serve` keep the scope alive.
use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::time::timeout;

use super::own_cgroups::OwnCgroups;

/// systemd has booted this machine if this exists: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

/// How long systemd may take to make a scope.
const SCOPE_DEADLINE: Duration = Duration::from_secs(5);

/// Becomes the same command, with the same process id, in a scope that is delegated to this user. Returns only if that
/// cannot be: why not.
pub fn enter_scope() -> String {
    let own = OwnCgroups::own().ok().and_then(|place| place.unified);
    let Some(own) = own.filter(|_| Path::new(BOOTED).exists()) else {
        return "there is no systemd".to_owned();
    };
    let unit = format!("jupyter-fleet-{}", std::process::id());
    if let Some(refusal) = refusal(&own, &unit) {
        return refusal;
    }
    if let Err(why) = works(&unit) {
        return why;
    }
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let error = systemd_run(&unit).arg(program).args(env::args_os().skip(1)).exec();
    format!("systemd-run: {error}")
}

/// Why this process is to stay where it is.
fn refusal(own: &Path, unit: &str) -> Option<String> {
    let name = own.file_name()?.to_str()?;
    if name == format!("{unit}.scope") {
        return Some("the scope that systemd has made cannot be divided".to_owned());
    }
    // systemd looks for a service's processes in the service's own group.
    name.ends_with(".service").then(|| "this is a service of systemd; give it Delegate=yes".to_owned())
}

/// Whether systemd makes such a scope.
fn works(unit: &str) -> Result<(), String> {
    let mut command = tokio::process::Command::from(systemd_run(&format!("{unit}-trial")));
    command.arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ended = runtime.block_on(async { timeout(SCOPE_DEADLINE, command.output()).await });
    match ended {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            Err(format!("systemd-run --scope: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Ok(Err(error)) => Err(format!("systemd-run: {error}")),
        Err(_) => Err(format!("systemd-run --scope did not answer within {SCOPE_DEADLINE:?}")),
    }
}

fn systemd_run(unit: &str) -> Command {
    let mut command = Command::new("systemd-run");
    command.args(arguments(unit, rustix::process::geteuid().is_root()));
    command
}

fn arguments(unit: &str, is_root: bool) -> Vec<OsString> {
    let user = (!is_root).then(|| "--user".to_owned());
    let rest = ["--scope", "--quiet", "--collect", "--property=Delegate=yes"].map(str::to_owned);
    let last = [format!("--unit={unit}"), "--".to_owned()];
    user.into_iter().chain(rest).chain(last).map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_asks_the_manager_of_its_own() {
        assert_eq!(arguments("fleet-1", false)[0], "--user");
        let root = arguments("fleet-1", true);
        assert_eq!((root[0].to_str(), root[4].to_str()), (Some("--scope"), Some("--unit=fleet-1")));
    }

    #[test]
    fn nobody_goes_in_circles_or_leaves_a_service() {
        let refused = |own: &str| refusal(Path::new(own), "jupyter-fleet-7");
        assert!(refused("/sys/fs/cgroup/app.slice/jupyter-fleet-7.scope").unwrap().contains("divided"));
        assert!(refused("/sys/fs/cgroup/system.slice/x.service").unwrap().contains("Delegate=yes"));
        assert_eq!(refused("/sys/fs/cgroup/user.slice/session-3.scope"), None);
        assert_eq!(refused("/sys/fs/cgroup/app.slice/jupyter-fleet-8.scope"), None);
    }
}
