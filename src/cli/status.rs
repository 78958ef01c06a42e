//! `jupyter-fleet status`: the running fleet itself.

use std::io::{self, Write};

use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet},
    table::{self, ago, table},
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
    writeln!(out, "Connect with: jupyter console --existing {}\n", status.connection_file.display())?;
    let mut rows = table(["CHANNEL", "ADDRESS"]);
    for (channel, address) in &status.addresses {
        rows.add_row([channel, address]);
    }
    table::write(rows, out)?;
    let mut rows = table(["COUNTER", "NUMBER"]);
    rows.add_row(["kernels", &status.kernels.to_string()]);
    rows.add_row(["clients", &status.clients.to_string()]);
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
