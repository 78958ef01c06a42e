//! `jupyter-fleet why`: which kernel a client gets, and why.

use anyhow::bail;
use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    list::missing_channels,
    operate::{ANSWER, Fleet, KernelPrefix},
    table::{self, ago, cell, plain, table},
    wishes::KernelArguments,
};
use crate::admin::{Asked, CallError, Client, Code, Explanation, Kernel, Outcome};

/// What is typed after `why`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Without SESSION it tells what would become of a new client that asks for what the flags say.\n\n\
                  Exit code: 0 if it was told, 1 if there is no such client, 2 if the command line is wrong, 3 if no \
                  fleet is running."
)]
pub struct WhyArguments {
    /// A client that has a kernel: the `session` of its messages, or as much of it as no other begins with
    #[arg(value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = [
        "fleet", "runtime", "language", "providers", "memory_limit", "labels", "group", "debug", "isolated", "kernel"])]
    session: Option<String>,
    /// Write JSON: the explanation, or the client
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kernel: KernelArguments,
}

impl WhyArguments {
    pub(super) async fn run(mut self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        if let Some(session) = &self.session {
            let client = find(session, fleet.client.get("/clients", ANSWER).await?)?;
            if self.json {
                return fleet.write_json(&client);
            }
            write_client(&client, fleet)?;
            return write_missing_channels(&client, fleet).await;
        }
        if let Some(kernel) = self.kernel.named() {
            complete(kernel, fleet).await?;
        }
        let asked = Asked { fleet: self.kernel.metadata().unwrap_or_default() };
        let explanation: Explanation = fleet.client.post("/why", &asked, ANSWER).await?;
        if self.json { fleet.write_json(&explanation) } else { write_explanation(&explanation, fleet) }
    }
}

/// Makes a kernel's shortened id a full one. One that no kernel has stays: that is explained too.
async fn complete(kernel: &mut String, fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let Ok(prefix) = kernel.parse::<KernelPrefix>() else { return Ok(()) };
    match fleet.client.get::<Kernel>(&format!("/kernels/{prefix}"), ANSWER).await {
        Ok(found) => *kernel = found.id,
        Err(CallError::Refused(problem))
            if matches!(problem.code, Code::NoSuchKernel | Code::KernelGone | Code::LaunchFailed) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The client whose session begins so.
fn find(session: &str, clients: Vec<Client>) -> anyhow::Result<Client> {
    let known = |clients: &[Client]| {
        clients.iter().map(|client| plain(&client.session)).collect::<Vec<_>>().join(", ")
    };
    let all = known(&clients);
    if let Some(client) = clients.iter().find(|client| client.session == session) {
        return Ok(client.clone());
    }
    let mut matching: Vec<Client> =
        clients.into_iter().filter(|client| client.session.starts_with(session)).collect();
    match (matching.len(), matching.pop()) {
        (1, Some(client)) => Ok(client),
        (0, _) if all.is_empty() => bail!("there is no client {session}: no client has a kernel"),
        (0, _) => bail!("there is no client {session} that has a kernel: there are {all}"),
        (_, last) => {
            matching.extend(last);
            bail!("{session} may be any of {}: give more of the session", known(&matching))
        }
    }
}

fn write_client(client: &Client, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let unknown = || "that was before this serve was started".to_owned();
    let here = if client.live { "" } else { ", not here at the moment" };
    writeln!(fleet.out, "client   {} ({}){here}", plain(&client.session), client.origins.join(", "))?;
    writeln!(fleet.out, "asked    {}", client.asked.as_deref().map_or_else(unknown, plain))?;
    let since = client.since.map(|since| format!(", for {}", ago(since))).unwrap_or_default();
    writeln!(fleet.out, "has      kernel {}{since}", client.kernel)?;
    writeln!(fleet.out, "because  {}", client.reason.as_deref().map_or_else(unknown, plain))?;
    Ok(())
}

/// What the client's kernel lacks, if it still lives.
async fn write_missing_channels(client: &Client, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let Ok(kernel) = fleet.client.get::<Kernel>(&format!("/kernels/{}", client.kernel), ANSWER).await else {
        return Ok(());
    };
    for lack in missing_channels(&kernel) {
        writeln!(fleet.out, "lacks    {}", plain(&lack))?;
    }
    Ok(())
}

fn write_explanation(explanation: &Explanation, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let gets = match explanation.outcome {
        Outcome::Existing => format!("kernel {}", explanation.kernel.as_deref().unwrap_or_default()),
        Outcome::Launched => {
            format!("a new kernel of {}", explanation.runtime.as_deref().unwrap_or_default())
        }
        Outcome::Refused => "no kernel".to_owned(),
    };
    writeln!(fleet.out, "asked    {}", plain(&explanation.asked))?;
    writeln!(fleet.out, "gets     {gets}")?;
    writeln!(fleet.out, "because  {}", plain(&explanation.reason))?;
    if !explanation.kernels.is_empty() {
        let mut rows = table(["KERNEL", "RUNTIME", "CLIENTS", "REQUESTS", "VERDICT"]);
        for kernel in &explanation.kernels {
            let chosen = explanation.kernel.as_ref() == Some(&kernel.id);
            rows.add_row([
                kernel.id.clone(),
                cell(&kernel.runtime),
                kernel.clients.to_string(),
                kernel.requests.to_string(),
                if chosen { "chosen".to_owned() } else { verdict(&kernel.lacks) },
            ]);
        }
        writeln!(fleet.out)?;
        table::write(rows, fleet.out)?;
    }
    if explanation.outcome != Outcome::Existing {
        let mut rows = table(["RUNTIME", "VERDICT"]);
        for runtime in &explanation.runtimes {
            let chosen = explanation.runtime.as_ref() == Some(&runtime.name);
            let verdict = if chosen { "chosen".to_owned() } else { verdict(&runtime.lacks) };
            rows.add_row([cell(&runtime.name), verdict]);
        }
        writeln!(fleet.out)?;
        table::write(rows, fleet.out)?;
    }
    Ok(())
}

fn verdict(lacks: &[String]) -> String {
    if lacks.is_empty() { "fits".to_owned() } else { plain(&lacks.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(session: &str) -> Client {
        Client { session: session.to_owned(), kernel: "0a".to_owned(), live: true, ..Client::default() }
    }

    #[test]
    fn a_session_may_be_shortened_while_it_is_clear() {
        let clients = || vec![client("abc"), client("abd"), client("ab")];
        let found = |session| find(session, clients()).map(|client| client.session);
        assert_eq!(found("abc").unwrap(), "abc");
        assert_eq!(found("abd").unwrap(), "abd");
        assert_eq!(found("ab").unwrap(), "ab", "one that is complete is meant");
        assert!(found("a").unwrap_err().to_string().contains("abc, abd, ab"));
        assert!(found("x").unwrap_err().to_string().contains("there are abc, abd, ab"));
        assert!(find("x", vec![]).unwrap_err().to_string().contains("no client has a kernel"));
    }
}
