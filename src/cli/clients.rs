//! `jupyter-fleet clients`: who uses the kernels of a running fleet, whose cells run and whose wait.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet},
    table::{self, ago, cell, table},
};
use crate::{admin::Client, proxy::CellsOfClient};

/// What is typed after `clients`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct ClientsArguments {
    /// Write JSON: an array of objects, which have the sessions and the connection files as well
    #[arg(long)]
    json: bool,
}

impl ClientsArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let mut clients: Vec<Client> = fleet.client.get("/clients", ANSWER).await?;
        if self.json {
            return fleet.write_json(&clients);
        }
        // Of each kernel, whose cell runs, then those that wait, in order.
        clients.sort_by_cached_key(|client| (client.kernel.clone(), cells_of(client).order()));
        Ok(write_table(&clients, fleet.out)?)
    }
}

fn write_table(clients: &[Client], out: &mut dyn Write) -> io::Result<()> {
    if clients.is_empty() {
        return writeln!(out, "No client has a kernel.");
    }
    let mut rows = table(["WHO", "IN", "KERNEL", "CELLS", "FROM", "SINCE"]);
    for client in clients {
        rows.add_row([
            client.name.as_deref().map_or_else(|| "-".to_owned(), cell),
            client.place.as_deref().map_or_else(|| "-".to_owned(), cell),
            client.kernel.clone(),
            doing(client),
            from(client),
            client.since.map_or_else(|| "-".to_owned(), ago),
        ]);
    }
    table::write(rows, out)
}

fn cells_of(client: &Client) -> CellsOfClient {
    let Client { running_for, waiting, before, .. } = *client;
    CellsOfClient { running_for: running_for.map(Duration::from_secs), waiting, before }
}

fn doing(client: &Client) -> String {
    match cells_of(client) {
        none if none == CellsOfClient::default() && !client.live => "away".to_owned(),
        cells => cells.to_string(),
    }
}

fn from(client: &Client) -> String {
    let at = client.origins.first().map_or_else(|| "-".to_owned(), |origin| cell(origin));
    match &client.user {
        Some(user) if client.name.as_ref() != Some(user) => format!("{at} ({})", cell(user)),
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> Client {
        Client {
            name: Some(name.to_owned()),
            place: Some("analysis.ipynb".to_owned()),
            user: Some("ann".to_owned()),
            kernel: "1c2d3e4f".to_owned(),
            live: true,
            origins: vec!["process 7 of user 1000".to_owned()],
            ..Client::default()
        }
    }

    #[test]
    fn a_row_says_who_and_what_they_wait_for() {
        let written = |client: Client| {
            let mut out = Vec::new();
            write_table(&[client], &mut out).unwrap();
            String::from_utf8(out).unwrap().lines().last().unwrap().to_owned()
        };
        let runs = Client { running_for: Some(14), waiting: 2, ..client("ann") };
        assert_eq!(
            written(runs),
            "ann  analysis.ipynb  1c2d3e4f  runs for 14s, 2 wait  process 7 of user 1000  -"
        );
        let waits = written(Client { waiting: 1, before: 3, ..client("bob\u{1b}") });
        assert!(waits.starts_with("bob\u{fffd}"), "{waits}");
        assert!(
            waits.contains("1 waits, 3 before") && waits.contains("process 7 of user 1000 (ann)"),
            "{waits}"
        );
        assert!(written(Client { live: false, ..client("ann") }).contains("  away  "));
    }

    #[test]
    fn nobody_is_said_in_words() {
        let mut out = Vec::new();
        write_table(&[], &mut out).unwrap();
        assert_eq!(out, b"No client has a kernel.\n");
    }
}
