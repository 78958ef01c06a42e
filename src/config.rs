//! The config file: `jupyter_fleet.toml` in Jupyter's config directory, or the one that `--config` names.
mod count;
mod cull_after;
mod error;
mod runtime_table;

use std::{
    collections::BTreeMap,
    fs, io,
    net::IpAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::{
    byte_size::ByteSize,
    fleet::confine::ConfinementChoice,
    jupyter::address::{Transport, parse_ip},
    limits::Limits,
    route::{Bounds, RestartRight},
    runtime_name::RuntimeName,
    runtimes::{Directories, Environment, Runtime, Runtimes},
};

use cull_after::CullAfter;
pub use error::{ConfigError, RuntimeProblem};
use error::{invalid, line_of};
use runtime_table::RuntimeTable;

/// The config's name in Jupyter's config directory.
const FILE_NAME: &str = "jupyter_fleet.toml";

/// What the config file says. Flags of the command line go before it.
#[derive(Debug, Default)]
pub struct Config {
    /// The runtime of clients that ask for nothing.
    default_runtime: Option<Located<RuntimeName>>,
    /// What holds for runtimes that say nothing else.
    pub usual: Usual,
    /// How large the fleet may grow.
    pub bounds: Bounds,
    /// What may hold the limits of kernels.
    pub confinement: ConfinementChoice,
    /// Who may restart a kernel.
    pub restart: RestartRight,
    /// The table `[serve]`.
    pub serve: ServeTable,
    /// The table `[limits]`.
    pub limits: Limits,
    /// The tables `[runtimes.NAME]`, in the order of the file.
    tables: Vec<(Located<RuntimeName>, RuntimeTable)>,
}

/// What holds for runtimes that say nothing else.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The most clients per kernel; `None` is no bound.
    pub max_clients: Option<NonZeroUsize>,
    /// After which idle time a kernel is stopped; `None` is never.
    pub cull_after: Option<Duration>,
}

/// The table `[serve]`: what the flags of `serve` are where they are not given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeTable {
    /// The address to listen on.
    #[serde(default, deserialize_with = "deserialize_ip")]
    pub ip: Option<IpAddr>,
    /// TCP or ipc.
    pub transport: Option<Transport>,
    /// The connection file to publish.
    pub connection_file: Option<PathBuf>,
    /// Whether jupyter_server finds it among the kernels of others.
    #[serde(default)]
    pub publish_external: bool,
}

/// A value, and where it was written.
#[derive(Debug, Clone)]
struct Located<T> {
    file: PathBuf,
    line: usize,
    value: T,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    default_runtime: Option<Spanned<RuntimeName>>,
    #[serde(default)]
    max_clients: usize,
    #[serde(default)]
    max_kernels: usize,
    max_memory: Option<ByteSize>,
    #[serde(default)]
    cull_after: CullAfter,
    #[serde(default)]
    confinement: ConfinementChoice,
    #[serde(default)]
    restart: RestartRight,
    #[serde(default)]
    serve: ServeTable,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    runtimes: BTreeMap<Spanned<String>, RuntimeTable>,
}

impl Config {
    /// Reads the file that is named, or else the one in Jupyter's config directory, which need not exist.
    ///
    /// # Errors
    /// The named file does not exist, one cannot be read, or something in it is wrong.
    pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let usual = || Directories::of(environment).config.map(|directory| directory.join(FILE_NAME));
        let Some(file) = named.map(Path::to_owned).or_else(usual) else { return Ok(Self::default()) };
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(ConfigError::Unreadable { file, cause }),
        }
    }

    /// Reads the text of a file; the path is for messages.
    ///
    /// # Errors
    /// It is not TOML, has a key that does not exist, or a value that cannot be.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let written: ConfigFile = toml::from_str(text).map_err(|error| invalid(file, text, &error))?;
        let located =
            |start: usize, value| Located { file: file.to_owned(), line: line_of(text, start), value };
        Ok(Self {
            default_runtime: written
                .default_runtime
                .map(|name| located(name.span().start, name.into_inner())),
            usual: Usual {
                max_clients: NonZeroUsize::new(written.max_clients),
                cull_after: written.cull_after.0,
            },
            bounds: Bounds { kernels: NonZeroUsize::new(written.max_kernels), memory: written.max_memory },
            confinement: written.confinement,
            restart: written.restart,
            serve: written.serve,
            limits: written.limits,
            tables: named_tables(file, text, written.runtimes)?,
        })
    }

    /// All runtimes: those of this config, and behind them the installed ones and the built-in `lua`.
    ///
    /// `chosen` is the default runtime if someone chose one with more right than this config.
    ///
    /// # Errors
    /// A table describes no runtime, or the default runtime does not exist.
    pub fn runtimes(
        &self,
        installed: Vec<Runtime>,
        chosen: Option<&RuntimeName>,
    ) -> Result<Runtimes, ConfigError> {
        let as_usual = |runtime| Runtime {
            max_clients: self.usual.max_clients,
            cull_after: self.usual.cull_after,
            ..runtime
        };
        let installed: Vec<Runtime> = installed.into_iter().map(as_usual).collect();
        let configured = self.tables.iter().map(|(name, table)| {
            let built = table.runtime(name, &installed, self.usual);
            built.map_err(|problem| ConfigError::Runtime {
                file: name.file.clone(),
                line: name.line,
                name: name.value.clone(),
                problem,
            })
        });
        let configured = configured.collect::<Result<_, _>>()?;

        let written = self.default_runtime.as_ref();
        let default = chosen.or(written.map(|name| &name.value));
        Runtimes::new(configured, installed, as_usual(Runtime::builtin_lua()), default).map_err(|problem| {
            match written {
                Some(name) if chosen.is_none() => {
                    ConfigError::DefaultRuntime { file: name.file.clone(), line: name.line, problem }
                }
                _ => ConfigError::ChosenRuntime(problem),
            }
        })
    }
}

type NamedTable = (Located<RuntimeName>, RuntimeTable);

/// The tables in the order of the file, each with its name read.
fn named_tables(
    file: &Path,
    text: &str,
    tables: BTreeMap<Spanned<String>, RuntimeTable>,
) -> Result<Vec<NamedTable>, ConfigError> {
    let mut tables: Vec<_> = tables.into_iter().collect();
    tables.sort_by_key(|(name, _)| name.span().start);
    let mut named: Vec<NamedTable> = Vec::with_capacity(tables.len());
    for (name, table) in tables {
        let line = line_of(text, name.span().start);
        let bad = |message: String| ConfigError::Name { file: file.to_owned(), line, message };
        let value: RuntimeName = name.get_ref().parse().map_err(|error| bad(format!("{error}")))?;
        if let Some((first, _)) = named.iter().find(|(first, _)| first.value == value) {
            return Err(bad(format!("the runtime {value} is already described in line {}", first.line)));
        }
        named.push((Located { file: file.to_owned(), line, value }, table));
    }
    Ok(named)
}

fn deserialize_ip<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_ip(&text).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests;
