//! `jupyter-fleet list`: the kernels of a running fleet.

use std::io::{self, Write};

use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet},
    table::{self, ago, cell, plain, table},
};
use crate::{admin::Kernel, byte_size::ByteSize};

/// What is typed after `list`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct ListArguments {
    /// Write JSON: an array of objects, the oldest kernel first
    #[arg(long)]
    json: bool,
}

impl ListArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let kernels: Vec<Kernel> = fleet.client.get("/kernels", ANSWER).await?;
        if self.json {
            return fleet.write_json(&kernels);
        }
        Ok(write_table(&kernels, fleet.out)?)
    }
}

fn write_table(kernels: &[Kernel], out: &mut dyn Write) -> io::Result<()> {
    if kernels.is_empty() {
        return writeln!(
            out,
            "No kernels. Clients that connect get one; jupyter-fleet spawn launches one ahead."
        );
    }
    let mut rows = table(["ID", "RUNTIME", "STATUS", "PID", "CLIENTS", "GROUP", "MEMORY", "HELD BY", "UP"]);
    for kernel in kernels {
        rows.add_row([
            kernel.id.clone(),
            cell(&kernel.runtime),
            kernel.status.clone(),
            or_dash(kernel.pid),
            kernel.clients.to_string(),
            sharing(kernel),
            or_dash(kernel.memory_limit.and_then(ByteSize::new)),
            or_dash(kernel.held_by.as_deref()),
            or_dash(kernel.started_at.map(ago)),
        ]);
    }
    table::write(rows, out)?;
    write_lacks(kernels, out)
}

/// What does not hold of the kernels' limits, and which channels they lack; those that lack the same are named together.
fn write_lacks(kernels: &[Kernel], out: &mut dyn Write) -> io::Result<()> {
    let mut lacks: Vec<(String, Vec<&str>)> = Vec::new();
    for kernel in kernels {
        for lack in kernel.lacks.iter().cloned().chain(missing_channels(kernel)) {
            match lacks.iter_mut().find(|(known, _)| *known == lack) {
                Some((_, ids)) => ids.push(&kernel.id),
                None => lacks.push((lack, vec![&kernel.id])),
            }
        }
    }
    if !lacks.is_empty() {
        writeln!(out)?;
    }
    lacks.into_iter().try_for_each(|(lack, ids)| {
        let kernels = if ids.len() == 1 { "kernel" } else { "kernels" };
        writeln!(out, "{kernels} {}: {}", ids.join(", "), plain(&lack))
    })
}

/// In words, the channels that a kernel lacks, and what that comes to.
pub(super) fn missing_channels(kernel: &Kernel) -> impl Iterator<Item = String> {
    kernel.missing_channels.iter().map(|channel| match channel.as_str() {
        "stdin" => "no stdin channel: it cannot ask for input".to_owned(),
        "control" => "no control channel: it is asked on shell, behind what it runs".to_owned(),
        "heartbeat" => "no heartbeat channel: the fleet echoes in its place".to_owned(),
        other => format!("no {other} channel"),
    })
}

/// Within which group a kernel is shared, if it is.
fn sharing(kernel: &Kernel) -> String {
    match &kernel.group {
        _ if kernel.isolated => "(isolated)".to_owned(),
        _ if kernel.reserve => "(anyone's)".to_owned(),
        Some(group) => cell(group),
        None => "-".to_owned(),
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::seconds_since_epoch;

    fn kernel() -> Kernel {
        Kernel {
            id: "0a1b2c3d".to_owned(),
            runtime: "lua".to_owned(),
            language: "lua".to_owned(),
            status: "idle".to_owned(),
            pid: Some(42),
            clients: 2,
            requests: 0,
            group: Some("team\u{1b}".to_owned()),
            isolated: false,
            reserve: false,
            memory_limit: Some(512 << 20),
            held_by: Some("rlimits".to_owned()),
            lacks: Vec::new(),
            missing_channels: Vec::new(),
            started_at: Some(seconds_since_epoch() - 180),
            log: None,
        }
    }

    fn written(kernels: &[Kernel]) -> String {
        let mut out = Vec::new();
        write_table(kernels, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_per_kernel() {
        let new = Kernel {
            pid: None,
            group: None,
            memory_limit: None,
            held_by: None,
            started_at: None,
            reserve: true,
            status: "starting".to_owned(),
            ..kernel()
        };
        let text = written(&[kernel(), new]);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows[0],
            ["ID", "RUNTIME", "STATUS", "PID", "CLIENTS", "GROUP", "MEMORY", "HELD", "BY", "UP"]
        );
        let first = ["0a1b2c3d", "lua", "idle", "42", "2", "team\u{fffd}", "512M", "rlimits", "3", "minutes"];
        assert_eq!(rows[1], first);
        assert_eq!(rows[2], ["0a1b2c3d", "lua", "starting", "-", "2", "(anyone's)", "-", "-", "-"]);
    }

    #[test]
    fn what_does_not_hold_is_said_once_for_all_that_lack_it() {
        let lacking = |id: &str, lacks: &[&str]| {
            let lacks = lacks.iter().map(ToString::to_string).collect();
            Kernel { id: id.to_owned(), lacks, ..kernel() }
        };
        let cpu = "cpu_limit: not enforced";
        let text = written(&[lacking("k1", &[cpu]), lacking("k2", &[]), lacking("k3", &["nice: 0", cpu])]);
        let (_, notes) = text.split_once("\n\n").unwrap();
        assert_eq!(notes, "kernels k1, k3: cpu_limit: not enforced\nkernel k3: nice: 0\n");
        assert!(!written(&[kernel()]).contains("\n\n"), "nothing lacks");
        let without = Kernel { missing_channels: vec!["control".to_owned()], ..kernel() };
        assert!(written(&[without]).contains("kernel 0a1b2c3d: no control channel"));
    }

    #[test]
    fn without_kernels_it_says_how_to_get_one() {
        assert!(written(&[]).contains("jupyter-fleet spawn"));
    }
}
