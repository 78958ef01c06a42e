//! `jupyter-fleet status`: the running fleet itself.

use std::io::{self, Write};

use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet},
    table::{self, ago, plain, table},
};
use crate::admin::Status;

/// What is typed after `status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct StatusArguments {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl StatusArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let status: Status = fleet.client.get("/status", ANSWER).await?;
        if self.json {
            return fleet.write_json(&status);
        }
        Ok(write(&status, fleet.out)?)
    }
}

fn write(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "jupyter-fleet {}, process {}, up for {}",
        status.version,
        status.pid,
        ago(status.started_at)
    )?;
    writeln!(out, "Connect with: jupyter console --existing {}", status.connection_file.display())?;
    writeln!(out, "Limits of kernels are held by {}\n", plain(&status.held_by))?;
    let mut rows = table(["CHANNEL", "ADDRESS"]);
    for (channel, address) in &status.addresses {
        rows.add_row([channel, address]);
    }
    table::write(rows, out)?;
    let mut rows = table(["COUNTER", "NUMBER"]);
    rows.add_row(["kernels", &status.kernels.to_string()]);
    rows.add_row(["clients", &status.clients.to_string()]);
    rows.add_row(["tasks", &status.tasks.to_string()]);
    for (name, number) in &status.counters {
        rows.add_row([name, &number.to_string()]);
    }
    writeln!(out)?;
    table::write(rows, out)?;
    let mut rows = table(["LIMIT", "VALUE"]);
    for (name, value) in &status.limits {
        rows.add_row([name, &value.to_string()]);
    }
    writeln!(out)?;
    table::write(rows, out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_says_what_holds_the_limits_of_kernels() {
        let status = Status {
            pid: 42,
            version: "1.0.0".to_owned(),
            started_at: 0,
            connection_file: "/run/kernel-fleet.json".into(),
            addresses: BTreeMap::new(),
            kernels: 1,
            clients: 2,
            tasks: 3,
            counters: BTreeMap::new(),
            held_by: "rlimits (no cgroups: not mounted)".to_owned(),
            limits: serde_json::Map::new(),
        };
        let mut out = Vec::new();
        write(&status, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("\nLimits of kernels are held by rlimits (no cgroups: not mounted)\n"),
            "{text}"
        );
    }
}
