//! `jupyter-fleet serve`: what can be typed, and what it means.
use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use clap::Args;

use crate::{
    config::Config,
    jupyter::{
        address::{NotAnIp, Transport, parse_ip},
        scheme::SecretKey,
    },
    runtime_name::RuntimeName,
    runtimes::{Directories, Environment},
};

use super::ConfigArguments;

/// The published file's name in Jupyter's runtime directory: `jupyter console --existing fleet` finds it.
const PUBLISHED_FILE_NAME: &str = "kernel-fleet.json";

/// Where jupyter_server looks for kernels that others have started, in Jupyter's runtime directory
/// (`ServerApp.external_connection_dir`).
const EXTERNAL_KERNELS: &str = "external_kernels";

/// The flag with which `serve --detach` runs the same command in the background.
pub const DETACHED: &str = "--detached";

/// What is typed after `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// The config file.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The connection file to publish [default: kernel-fleet.json in Jupyter's runtime directory]
    #[arg(long, value_name = "FILE", env = "JUPYTER_FLEET_CONNECTION_FILE")]
    connection_file: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, value_parser = parse_ip_argument, env = "JUPYTER_FLEET_IP")]
    ip: Option<IpAddr>,
    /// How clients connect: tcp, or ipc for Unix sockets that only this user can open [default: tcp]
    #[arg(long, value_name = "tcp|ipc", env = "JUPYTER_FLEET_TRANSPORT")]
    transport: Option<Transport>,
    /// Take the key from this environment variable instead of making a fresh one
    #[arg(long, value_name = "VARIABLE")]
    key_from_env: Option<String>,
    /// Allow an address that other machines can reach: messages are signed, but not encrypted
    #[arg(long)]
    allow_remote: bool,
    /// Stop all kernels on exit, instead of leaving them to the next `serve`
    #[arg(long)]
    ephemeral: bool,
    /// The runtime of clients that ask for nothing [default: the config's, else python3 if installed, else lua]
    #[arg(long, value_name = "NAME", env = "JUPYTER_FLEET_DEFAULT_RUNTIME")]
    default_runtime: Option<RuntimeName>,
    /// Also publish to external_kernels in Jupyter's runtime directory, where jupyter_server looks for kernels of others
    #[arg(long)]
    publish_external: bool,
    /// Serve in the background, and return once clients can connect; also if a fleet is served here already
    #[arg(long)]
    detach: bool,
    /// This is the background.
    #[arg(long, hide = true)]
    detached: bool,
}

/// What `serve` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    /// Where clients connect.
    pub listen: Listen,
    /// The connection file to publish.
    pub connection_file: PathBuf,
    /// The key to publish; `None` asks for a fresh one.
    pub key: Option<KeyFromEnvironment>,
    /// The default runtime, where the command line chose one.
    pub default_runtime: Option<RuntimeName>,
    /// Whether kernels end with `serve`.
    pub ephemeral: bool,
    /// The connection file for jupyter_server.
    pub external_file: PathBuf,
    /// Whether that one is wanted.
    pub publish_external: bool,
}

/// Where clients connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On five ports of this address.
    Tcp(IpAddr),
    /// On five Unix sockets in the fleet's own directory.
    Ipc,
}

/// A key that was given in an environment variable, which kernels must not inherit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFromEnvironment {
    /// The variable to keep from kernels.
    pub variable: String,
    /// Its value.
    pub key: SecretKey,
}

/// Why `serve` cannot do what it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// The address is not this machine's alone.
    #[error(
        "{0} can be reached from other machines, and messages are signed but not encrypted: use 127.0.0.1 with an SSH \
         tunnel, or add --allow-remote if the network is trusted"
    )]
    Remote(IpAddr),
    /// An address for sockets that have none.
    #[error("--ip {0} has no meaning with the transport ipc: leave one of them out")]
    IpWithIpc(IpAddr),
    /// `--key-from-env` names nothing.
    #[error(
        "--key-from-env {variable}: the environment variable {variable} is not set, is empty, or is not UTF-8"
    )]
    NoKey {
        /// The variable.
        variable: String,
    },
}

impl ServeArguments {
    /// Whether the same command is to be run in the background, and this one to end.
    pub fn detaches(&self) -> bool {
        self.detach && !self.detached
    }

    /// Whether this is the background.
    pub fn is_detached(&self) -> bool {
        self.detached
    }

    /// What the arguments mean with this config, in this environment. Arguments go before the config.
    ///
    /// # Errors
    /// The arguments contradict each other, would open the fleet to the network without saying so, or name a variable
    /// that holds no key.
    pub fn meaning(self, config: &Config, environment: &Environment) -> Result<ServeSettings, ServeError> {
        let runtime = Directories::of(environment).runtime;
        Ok(ServeSettings {
            listen: self.listen(config)?,
            key: self.key_from_env.map(|variable| read_key(variable, environment)).transpose()?,
            connection_file: self
                .connection_file
                .or_else(|| config.serve.connection_file.clone())
                .unwrap_or_else(|| runtime.join(PUBLISHED_FILE_NAME)),
            default_runtime: self.default_runtime,
            ephemeral: self.ephemeral,
            external_file: runtime.join(EXTERNAL_KERNELS).join(PUBLISHED_FILE_NAME),
            publish_external: self.publish_external || config.serve.publish_external,
        })
    }

    fn listen(&self, config: &Config) -> Result<Listen, ServeError> {
        let transport = self.transport.or(config.serve.transport).unwrap_or_default();
        let ip = self.ip.or(config.serve.ip).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        match (transport, self.ip) {
            (Transport::Ipc, Some(ip)) => Err(ServeError::IpWithIpc(ip)),
            (Transport::Ipc, None) => Ok(Listen::Ipc),
            (Transport::Tcp, _) if ip.is_loopback() || self.allow_remote => Ok(Listen::Tcp(ip)),
            (Transport::Tcp, _) => Err(ServeError::Remote(ip)),
        }
    }
}

fn read_key(variable: String, environment: &Environment) -> Result<KeyFromEnvironment, ServeError> {
    let key = environment.variable(&variable).and_then(|value| value.to_str()).and_then(SecretKey::new);
    match key {
        Some(key) => Ok(KeyFromEnvironment { variable, key }),
        None => Err(ServeError::NoKey { variable }),
    }
}

fn parse_ip_argument(text: &str) -> Result<IpAddr, NotAnIp> {
    parse_ip(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use crate::cli::{Cli, Command};

    use super::*;

    fn meaning(arguments: &[&str], config: &str) -> Result<ServeSettings, ServeError> {
        let cli = Cli::try_parse_from(["jupyter-fleet", "serve"].iter().chain(arguments)).unwrap();
        let Command::Serve(serve) = cli.command else { panic!("serve was typed") };
        let variables = [("JUPYTER_RUNTIME_DIR", "/runtime"), ("FLEET_KEY", "hush"), ("EMPTY", "")];
        let environment = Environment::new(variables, "/home/ada");
        serve.meaning(&Config::parse(Path::new("fleet.toml"), config).unwrap(), &environment)
    }

    #[test]
    fn without_arguments_it_listens_on_this_machine_and_publishes_in_the_runtime_directory() {
        let settings = meaning(&[], "").unwrap();
        assert_eq!(settings.listen, Listen::Tcp("127.0.0.1".parse().unwrap()));
        assert_eq!(settings.connection_file, Path::new("/runtime/kernel-fleet.json"));
        assert_eq!((settings.key, settings.default_runtime), (None, None));
    }

    #[test]
    fn arguments_go_before_the_config() {
        let config = "[serve]\nip = '127.0.0.2'\nconnection_file = '/c.json'\ntransport = 'tcp'";
        let settings = meaning(&[], config).unwrap();
        assert_eq!(settings.listen, Listen::Tcp("127.0.0.2".parse().unwrap()));
        assert_eq!(settings.connection_file, Path::new("/c.json"));

        let settings = meaning(&["--ip", "::1", "--connection-file", "/a.json"], config).unwrap();
        assert_eq!(settings.listen, Listen::Tcp("::1".parse().unwrap()));
        assert_eq!(settings.connection_file, Path::new("/a.json"));
        assert_eq!(meaning(&["--transport", "ipc"], config).unwrap().listen, Listen::Ipc);
    }

    #[test]
    fn jupyter_server_finds_the_file_if_the_flag_or_the_config_says_so() {
        let settings = meaning(&[], "").unwrap();
        assert_eq!(settings.external_file, Path::new("/runtime/external_kernels/kernel-fleet.json"));
        assert!(!settings.publish_external);
        assert!(meaning(&["--publish-external"], "").unwrap().publish_external);
        assert!(meaning(&[], "[serve]\npublish_external = true").unwrap().publish_external);
    }

    #[test]
    fn the_background_does_not_detach_again() {
        for (typed, detaches) in [(&["--detach"][..], true), (&["--detach", DETACHED], false), (&[], false)] {
            let cli = Cli::try_parse_from(["jupyter-fleet", "serve"].iter().chain(typed)).unwrap();
            let Command::Serve(serve) = cli.command else { panic!("serve was typed") };
            assert_eq!(serve.detaches(), detaches);
        }
    }

    #[test]
    fn other_machines_are_let_in_only_on_purpose() {
        let error = meaning(&["--ip", "*"], "").unwrap_err();
        assert_eq!(error, ServeError::Remote("0.0.0.0".parse().unwrap()));
        assert!(
            meaning(&[], "[serve]\nip = '192.0.2.1'").unwrap_err().to_string().contains("--allow-remote")
        );

        let settings = meaning(&["--ip", "0.0.0.0", "--allow-remote"], "").unwrap();
        assert_eq!(settings.listen, Listen::Tcp("0.0.0.0".parse().unwrap()));
    }

    #[test]
    fn an_address_and_ipc_contradict_each_other() {
        let error = meaning(&["--ip", "127.0.0.1", "--transport", "ipc"], "").unwrap_err();
        assert_eq!(error, ServeError::IpWithIpc("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn the_key_comes_from_the_variable_and_is_not_shown() {
        let settings = meaning(&["--key-from-env", "FLEET_KEY"], "").unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
        assert_eq!(settings.key.unwrap().key.as_bytes(), b"hush");
        for variable in ["EMPTY", "NO_SUCH_VARIABLE"] {
            let text = meaning(&["--key-from-env", variable], "").unwrap_err().to_string();
            assert!(text.contains(variable), "{text}");
        }
    }

    #[test]
    fn wrong_values_are_usage_errors() {
        for arguments in [["--ip", "example.org"], ["--transport", "udp"], ["--default-runtime", "a/b"]] {
            assert!(Cli::try_parse_from(["jupyter-fleet", "serve"].iter().chain(&arguments)).is_err());
        }
    }
}
