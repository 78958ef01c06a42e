//! `serve --detach`: starts `serve` in the background, and stays until it has published.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, anyhow};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{timeout, timeout_at},
};

use super::serve::CONNECT_WITH;
use crate::{
    cli::serve::DETACHED,
    fleet::rotate,
    runtimes::{Directories, Environment, create_directory, create_private_directory},
    state::SERVE_LOG,
};

/// How long `serve` may take to publish. It takes up kernels that live only afterwards.
const PUBLISHED: Duration = Duration::from_secs(20);

/// How long a process that has closed its output may take to end.
const ENDED: Duration = Duration::from_secs(2);

/// The longest log that is continued, in bytes.
const LONGEST_LOG: u64 = 10 << 20;

/// The last lines of the log that an error shows.
const LAST_LINES: usize = 15;

/// Starts the same command in the background. Returns once clients can connect, to a fleet that had been there before
/// if that is so.
///
/// The background's standard output leads here: what it says up to how to connect is shown, and its end is seen at once.
pub(super) fn detach(environment: &Environment, out: &mut dyn Write) -> anyhow::Result<()> {
    let directories = Directories::of(environment);
    create_directory(&directories.runtime)?;
    create_private_directory(&directories.state())?;
    let path = directories.state().join(SERVE_LOG);
    let cannot_write = || format!("cannot write the log {}", path.display());
    rotate(&path, LONGEST_LOG).with_context(cannot_write)?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let log = log.with_context(cannot_write)?;
    let start = fs::metadata(&path).with_context(cannot_write)?.len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut child = start_again(log)?;
        let failed = match wait(&mut child, out).await? {
            Waited::Published => return Ok(()),
            Waited::Ended(how) => anyhow!("serve has not started ({how})"),
            Waited::TooLong => anyhow!(
                "serve has not published its connection file within {PUBLISHED:?}; it goes on trying, as process {}",
                child.id().unwrap_or_default()
            ),
        };
        let said = last_lines(&path, start).with_context(|| format!("cannot read the log {}", path.display()))?;
        Err(anyhow!("{failed}. Its log is {}, which ends with\n{said}", path.display()))
    })
}

/// What came of waiting.
enum Waited {
    Published,
    Ended(String),
    TooLong,
}

fn start_again(log: File) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let typed = std::env::args_os().skip(1);
    let mut command = Command::new(program);
    command.args(typed.chain([OsString::from(DETACHED)]));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().context("cannot start serve in the background")
}

async fn wait(child: &mut Child, out: &mut dyn Write) -> anyhow::Result<Waited> {
    let Some(stdout) = child.stdout.take() else { return Err(anyhow!("serve has no standard output")) };
    let deadline = tokio::time::Instant::now() + PUBLISHED;
    let shown = timeout_at(deadline, show(BufReader::new(stdout).lines(), out)).await;
    match shown.map(|published| published.context("cannot tell what serve says")) {
        Err(_) => return Ok(Waited::TooLong),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(true)) => return Ok(Waited::Published),
        Ok(Ok(false)) => {}
    }
    let how = match timeout(ENDED, child.wait()).await {
        Ok(status) => status?.to_string(),
        Err(_) => "it has closed its output".to_owned(),
    };
    Ok(Waited::Ended(how))
}

/// Shows the lines up to the one that says how to connect; whether that has come.
async fn show(mut lines: Lines<BufReader<ChildStdout>>, out: &mut dyn Write) -> io::Result<bool> {
    while let Some(line) = lines.next_line().await? {
        writeln!(out, "{line}")?;
        if line.starts_with(CONNECT_WITH) {
            return out.flush().map(|()| true);
        }
    }
    Ok(false)
}

/// The last lines of a log, of those behind `start`.
fn last_lines(log: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(LONGEST_LOG).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_last_lines_of_this_start_only() {
        let home = tempfile::TempDir::new().unwrap();
        let log = home.path().join("serve.log");
        let lines: Vec<String> = (0..40).map(|line| line.to_string()).collect();
        fs::write(&log, format!("earlier\n{}\n", lines.join("\n"))).unwrap();
        assert_eq!(last_lines(&log, 8).unwrap(), lines[40 - LAST_LINES..].join("\n"));
        fs::write(&log, "earlier\nnow\n").unwrap();
        assert_eq!(last_lines(&log, 8).unwrap(), "now");
        assert_eq!(last_lines(&log, 12).unwrap(), "");
    }
}
