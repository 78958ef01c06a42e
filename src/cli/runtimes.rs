//! `jupyter-fleet runtimes`: lists what kernels can be launched.
use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use crate::{
    config::{Config, ConfigError},
    runtime_name::RuntimeName,
    runtimes::{Environment, Runtime, RuntimeSource, Runtimes, SkippedKernelspec, discover},
};

use super::{
    ConfigArguments,
    operate::unless_nobody_reads,
    table::{self, cell, plain, table},
};

/// What is typed after `runtimes`.
#[derive(Debug, Clone, Args)]
pub struct RuntimesArguments {
    /// The config file.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Write JSON: an array of objects, the config's runtimes first
    #[arg(long)]
    json: bool,
}

/// Everything that can be launched: what the config says, what is installed for Jupyter, and `lua`.
///
/// Kernelspecs that cannot be used are logged as warnings; [`Runtimes::skipped`] knows them.
///
/// # Errors
/// The config describes a runtime that cannot be, or the default runtime does not exist.
pub fn find_runtimes(
    config: &Config,
    environment: &Environment,
    chosen_default: Option<&RuntimeName>,
) -> Result<Runtimes, ConfigError> {
    let runtimes = look_for_runtimes(config, environment, chosen_default)?;
    for skipped in runtimes.skipped() {
        tracing::warn!("{skipped}");
    }
    Ok(runtimes)
}

fn look_for_runtimes(
    config: &Config,
    environment: &Environment,
    chosen_default: Option<&RuntimeName>,
) -> Result<Runtimes, ConfigError> {
    let discovery = discover(environment);
    Ok(config.runtimes(discovery.runtimes, chosen_default)?.with_skipped(discovery.skipped))
}

/// Runs the command.
///
/// # Errors
/// The config cannot be used, or `output` cannot be written to.
pub fn run(
    arguments: &RuntimesArguments,
    environment: &Environment,
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.file.as_deref(), environment)?;
    let written = if arguments.json {
        write_json(&find_runtimes(&config, environment, None)?, output)
    } else {
        let runtimes = look_for_runtimes(&config, environment, None)?;
        write_table(&runtimes, output).and_then(|()| write_skipped(runtimes.skipped(), output))
    };
    written.map_err(anyhow::Error::from).or_else(unless_nobody_reads)
}

fn write_table(runtimes: &Runtimes, output: &mut impl Write) -> io::Result<()> {
    let mut rows = table(["NAME", "LANGUAGE", "DISPLAY NAME", "FROM"]);
    for runtime in runtimes.iter() {
        let name = match is_default(runtime, runtimes) {
            true => format!("{} (default)", runtime.name),
            false => runtime.name.to_string(),
        };
        let language = if runtime.language.is_empty() { "-" } else { &runtime.language };
        let (language, display_name) = (cell(language), cell(&runtime.display_name));
        rows.add_row([cell(&name), language, display_name, plain(&runtime.source.to_string())]);
    }
    table::write(rows, output)
}

fn write_skipped(skipped: &[SkippedKernelspec], output: &mut impl Write) -> io::Result<()> {
    if skipped.is_empty() {
        return Ok(());
    }
    writeln!(output)?;
    let mut rows = table(["SKIPPED", "REASON", "FROM"]);
    for one in skipped {
        let (reason, path) = (one.reason.to_string(), one.path.to_string_lossy());
        rows.add_row([cell(&one.name()), plain(&reason), plain(&path)]);
    }
    table::write(rows, output)
}

fn write_json(runtimes: &Runtimes, output: &mut impl Write) -> io::Result<()> {
    let all: Vec<Value> =
        runtimes.iter().map(|runtime| description(runtime, is_default(runtime, runtimes))).collect();
    writeln!(output, "{:#}", Value::Array(all))
}

fn is_default(runtime: &Runtime, runtimes: &Runtimes) -> bool {
    runtime.name == runtimes.default_runtime().name
}

/// What clients can ask of a runtime, and where it is from; commands and variables are its owner's business.
fn description(runtime: &Runtime, is_default: bool) -> Value {
    let (from, path) = match &runtime.source {
        RuntimeSource::Kernelspec(path) => ("kernelspec", Some(path)),
        RuntimeSource::Config(path) => ("config", Some(path)),
        RuntimeSource::BuiltIn => ("built in", None),
    };
    json!({
        "name": runtime.name,
        "default": is_default,
        "language": runtime.language,
        "display_name": runtime.display_name,
        "providers": runtime.providers,
        "labels": runtime.labels,
        "memory_limit": runtime.memory_limit.map(|size| size.bytes()),
        "max_clients": runtime.max_clients,
        "cull_after": runtime.cull_after.map(|after| after.as_secs_f64()),
        "pool": runtime.pool_size(is_default),
        "debugger": runtime.debugger,
        "from": from,
        "path": path.map(|path| path.to_string_lossy()),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use tempfile::TempDir;

    use super::*;

    /// What is written where a config has the runtime `gpu`, and nothing is installed for this user.
    fn written(config: &str, json: bool) -> anyhow::Result<String> {
        let home = TempDir::new()?;
        let file = home.path().join("fleet.toml");
        fs::write(&file, config)?;
        let environment = Environment::new([("PATH", "")], home.path());
        let arguments = RuntimesArguments { config: ConfigArguments { file: Some(file) }, json };
        let mut output = Vec::new();
        run(&arguments, &environment, &mut output)?;
        Ok(String::from_utf8(output)?)
    }

    const GPU: &str = "default_runtime = 'gpu'\n[runtimes.gpu]\nargv = ['k']\nlanguage = 'python'\n\
                       display_name = 'With a GPU'\nmemory_limit = '1K'";

    #[test]
    fn the_table_has_aligned_columns() {
        let text = written(GPU, false).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let gpu = lines.iter().find(|line| line.starts_with("gpu (default)")).unwrap();
        let lua = lines.iter().find(|line| line.starts_with("lua ")).unwrap();
        assert_eq!(lines[0].find("DISPLAY NAME"), gpu.find("With a GPU"));
        assert_eq!(lines[0].find("DISPLAY NAME"), lua.find("Lua (built in)"));
        assert!(gpu.ends_with("fleet.toml") && lua.ends_with("built in"), "{text}");
        assert!(lines.iter().all(|line| *line == line.trim_end()));
    }

    #[test]
    fn a_skipped_kernelspec_is_named_with_its_reason() {
        let home = TempDir::new().unwrap();
        let kernel = home.path().join("jupyter/kernels/Broken One");
        fs::create_dir_all(&kernel).unwrap();
        fs::write(kernel.join("kernel.json"), r#"{"display_name": "x"}"#).unwrap();
        let data = home.path().join("jupyter");
        let variables = [("JUPYTER_DATA_DIR", data.as_path()), ("JUPYTER_CONFIG_DIR", home.path())];
        let environment = Environment::new(variables, home.path());
        let arguments = RuntimesArguments { config: ConfigArguments::default(), json: false };
        let mut output = Vec::new();
        run(&arguments, &environment, &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        let line = text.lines().find(|line| line.starts_with("broken one ")).unwrap();
        assert!(line.contains("has no \"argv\"") && line.ends_with("kernels/Broken One"), "{text}");
    }

    #[test]
    fn json_says_what_can_be_asked_for() {
        let all: Value = serde_json::from_str(&written(GPU, true).unwrap()).unwrap();
        let gpu = &all[0];
        assert_eq!((&gpu["name"], &gpu["default"]), (&json!("gpu"), &json!(true)));
        assert_eq!((&gpu["memory_limit"], &gpu["max_clients"]), (&json!(1024), &Value::Null));
        assert_eq!(gpu["from"], "config");
        assert!(Path::new(gpu["path"].as_str().unwrap()).ends_with("fleet.toml"));
        let lua = all.as_array().unwrap().last().unwrap();
        assert_eq!(
            (&lua["name"], &lua["default"], &lua["from"]),
            (&json!("lua"), &json!(false), &json!("built in"))
        );
    }

    #[test]
    fn whoever_has_read_enough_ends_it_well() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let home = TempDir::new().unwrap();
        let environment = Environment::new([("JUPYTER_CONFIG_DIR", home.path())], home.path());
        let arguments = RuntimesArguments { config: ConfigArguments::default(), json: false };
        run(&arguments, &environment, &mut Closed).unwrap();
    }

    #[test]
    fn a_wrong_config_is_an_error() {
        let error = written("defualt_runtime = 'x'", false).unwrap_err().to_string();
        assert!(error.contains("fleet.toml:1:1") && error.contains("`default_runtime`"), "{error}");
    }
}
