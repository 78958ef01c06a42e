//! What `serve` keeps in memory for clients that do nothing, and for kernels.

use std::{env, io::Write, path::Path, process::Command, thread};

use anyhow::{Context, Result};
use jupyter_fleet::runtimes::read_connection_file;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::{
    fleet::{Fleet, Memory},
    newcomer::Newcomer,
    process::{Process, end_with_parent},
};

/// Five sockets each: libzmq gives a context 1,023.
const CLIENTS_OF_A_CONTEXT: usize = 200;

/// Measures a fleet without anything, with idle clients of one kernel, and with kernels of one client each.
pub fn measure(clients: usize, kernels: usize, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\nmemory of serve (MB of 10^6 bytes)\n")?;
    writeln!(
        out,
        "| with | resident (RSS) | proportional (PSS) | kB of RSS for each |\n|---|---:|---:|---:|"
    )?;
    let fleet = Fleet::start("lua", "[runtimes.lua]\npool = 0\n")?;
    let empty = fleet.memory()?;
    row(out, "nothing", empty, None)?;
    let crowd = start_crowd(&fleet, clients).with_context(|| fleet.said())?;
    row(out, &format!("{clients} idle clients of one kernel"), fleet.memory()?, Some((empty, clients)))?;
    drop((crowd, fleet));

    let fleet = Fleet::start("lua", "[runtimes.lua]\npool = 0\n")?;
    let empty = fleet.memory()?;
    let context = zmq::Context::new();
    let hosts = (0..kernels).map(|number| host(&context, &fleet, number)).collect::<Result<Vec<_>>>();
    let hosts = hosts.with_context(|| fleet.said())?;
    fleet.wait_for_kernels(kernels, kernels)?;
    row(out, &format!("{kernels} kernels of one client each"), fleet.memory()?, Some((empty, kernels)))?;
    drop(hosts);
    Ok(())
}

fn row(out: &mut dyn Write, what: &str, memory: Memory, from: Option<(Memory, usize)>) -> Result<()> {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let each =
        from.map(|(empty, count)| memory.resident.saturating_sub(empty.resident) as f64 / 1e3 / count as f64);
    let each = each.map_or_else(String::new, |each| format!("{each:.1}"));
    let Memory { resident, proportional } = memory;
    writeln!(out, "| {what} | {:.1} | {:.1} | {each} |", megabytes(resident), megabytes(proportional))?;
    Ok(())
}

/// A client with a kernel of its own.
fn host(context: &zmq::Context, fleet: &Fleet, number: usize) -> Result<Newcomer> {
    let needs = json!({ "runtime": "lua", "group": format!("group-{number}") });
    let file = &fleet.connection_file;
    let mut newcomer = Newcomer::come(context, file, &format!("host-{number}"), needs)?;
    newcomer.subscribe(context, file)?;
    newcomer.ask()?;
    newcomer.reply()?;
    Ok(newcomer)
}

/// The clients, in a process of their own; it says so once all are there.
fn start_crowd(fleet: &Fleet, clients: usize) -> Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("crowd").arg(fleet.published()).arg(clients.to_string());
    Process::start(&mut command, "all are there", fleet.published().with_extension("crowd.log"))
}

/// Plays the clients. All ask before anyone listens, for each listener of a process hears what concerns any of its clients.
pub fn play_crowd(connection_file: &Path, clients: usize, out: &mut dyn Write) -> Result<()> {
    end_with_parent()?;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let file = read_connection_file(connection_file)?;
    let contexts: Vec<_> = (0..clients.div_ceil(CLIENTS_OF_A_CONTEXT)).map(|_| zmq::Context::new()).collect();
    let context_of =
        |number: usize| contexts.get(number / CLIENTS_OF_A_CONTEXT).context("a context for each");
    let come = |number| {
        let needs = json!({ "runtime": "lua", "group": "crowd" });
        Newcomer::come(context_of(number)?, &file, &format!("idle-{number}"), needs)
    };
    let mut crowd = (0..clients).map(come).collect::<Result<Vec<_>>>()?;
    crowd.iter_mut().try_for_each(Newcomer::ask)?;
    crowd.iter_mut().try_for_each(Newcomer::reply)?;
    for (number, newcomer) in crowd.iter_mut().enumerate() {
        newcomer.subscribe(context_of(number)?, &file)?;
    }
    crowd.iter_mut().try_for_each(Newcomer::wait_for_welcome)?;
    writeln!(out, "all are there")?;
    out.flush()?;
    loop {
        thread::park();
    }
}
