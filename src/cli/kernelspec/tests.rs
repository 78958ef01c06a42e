use std::{fs, path::Path};

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{Cli, Command, exit_code};

use super::*;

/// A home with a runtime `gpu`, without Python.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        fs::create_dir(home.path().join("config")).unwrap();
        let config =
            "[runtimes.gpu]\nargv = ['k']\nlanguage = 'python'\ndisplay_name = 'GPU'\ndebugger = true";
        fs::write(home.path().join("config/jupyter_fleet.toml"), config).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let cli = Cli::try_parse_from(["jupyter-fleet", "kernelspec"].iter().chain(words))?;
        let Command::Kernelspec(arguments) = cli.command else { panic!("kernelspec was typed") };
        let variables = [
            ("JUPYTER_DATA_DIR", self.path().join("data")),
            ("JUPYTER_CONFIG_DIR", self.path().join("config")),
            ("PATH", "".into()),
        ];
        let mut output = Vec::new();
        run(arguments, &Environment::new(variables, self.path()), &mut output)?;
        Ok(String::from_utf8(output)?)
    }

    /// What is ours, as `list` tells it.
    fn listed(&self) -> Vec<Value> {
        serde_json::from_str(&self.run(&["list", "--json"]).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.listed().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_default_runtime_is_installed_for_this_user() {
    let home = Home::new();
    let said = home.run(&["install"]).unwrap();
    let path = home.path().join("data/kernels/fleet-lua");
    assert_eq!(said, format!("Installed kernelspec fleet-lua in {}\n", path.display()));
    let listed = home.listed();
    assert_eq!((&listed[0]["runtime"], &listed[0]["display_name"]), (&"lua".into(), &"Lua (fleet)".into()));
    assert_eq!(listed[0]["path"], path.to_str().unwrap());
    let program = Path::new(listed[0]["argv"][0].as_str().unwrap());
    assert!(program.is_absolute() && program.is_file());
}

#[test]
fn all_runtimes_or_those_that_are_named() {
    let home = Home::new();
    home.run(&["install", "--runtime", "gpu", "--runtime", "lua", "--group", "Team A"]).unwrap();
    assert_eq!(home.names(), ["fleet-gpu-team-a", "fleet-lua-team-a"]);
    home.run(&["install", "--all"]).unwrap();
    assert_eq!(home.names(), ["fleet-gpu", "fleet-gpu-team-a", "fleet-lua", "fleet-lua-team-a"]);
    let error = home.run(&["install", "--runtime", "ir"]).unwrap_err();
    assert_eq!(error.to_string(), "there is no runtime ir: there are gpu, lua");
}

#[test]
fn everything_that_can_be_chosen() {
    let home = Home::new();
    let prefix = home.path().join("env");
    let prefix = prefix.to_str().unwrap();
    let mut words = vec!["install", "--name", "Mine", "--display-name", "My own", "--prefix", prefix];
    words.extend(["--runtime", "gpu", "--group", "g", "--start"]);
    home.run(&words).unwrap();
    let path = home.path().join("env/share/jupyter/kernels/mine/kernel.json");
    let spec: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(spec["display_name"], "My own");
    assert_eq!(spec["metadata"]["debugger"], true);
    let argv: Vec<_> = spec["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(argv[5..], ["gpu", "--group=g", "--start"]);
    assert!(home.names().is_empty(), "Jupyter does not look there");

    home.run(&["remove", "mine", "--prefix", prefix]).unwrap();
    assert!(!home.path().join("env/share/jupyter/kernels/mine").exists());
}

#[test]
fn one_name_for_several_kernelspecs_is_a_usage_error() {
    let home = Home::new();
    for flag in ["--name", "--display-name"] {
        let error = home.run(&["install", "--runtime", "lua", "--runtime", "gpu", flag, "x"]).unwrap_err();
        assert_eq!(exit_code::of(&error), exit_code::USAGE);
        assert!(error.to_string().starts_with(flag), "{error}");
    }
    for words in [
        &["install", "--all", "--name", "x"][..],
        &["install", "--user", "--sys-prefix"],
        &["install", "--name", "a b"],
        &["remove"],
        &["remove", "--all", "x"],
    ] {
        let words = ["jupyter-fleet", "kernelspec"].iter().chain(words);
        assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2);
    }
}

#[test]
fn remove_takes_what_is_named_or_all_of_ours() {
    let home = Home::new();
    home.run(&["install", "--all"]).unwrap();
    let theirs = home.path().join("data/kernels/theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("kernel.json"), r#"{"argv": ["k"], "display_name": "K", "language": "k"}"#)
        .unwrap();

    let refusal = home.run(&["remove", "theirs"]).unwrap_err().to_string();
    assert!(refusal.contains("jupyter-fleet has not written"), "{refusal}");
    let missing = home.run(&["remove", "fleet-lua", "no-such"]).unwrap_err().to_string();
    assert!(missing.contains("no kernelspec no-such"), "{missing}");
    assert_eq!(home.names(), ["fleet-gpu", "fleet-lua"], "all or nothing");
    home.run(&["remove", "FLEET-LUA"]).unwrap();
    assert_eq!(home.names(), ["fleet-gpu"]);
    home.run(&["remove", "--all"]).unwrap();
    assert!(home.names().is_empty() && theirs.exists());
}
