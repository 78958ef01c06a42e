use std::{
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use tempfile::TempDir;

use super::*;

/// A directory tree to put programs in, at a path without symbolic links.
struct Tree {
    root: PathBuf,
    _kept: TempDir,
}

impl Tree {
    fn new() -> Self {
        let kept = TempDir::new().unwrap();
        Self { root: kept.path().canonicalize().unwrap(), _kept: kept }
    }

    fn program(&self, path: &str, content: &str) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A program that is run by the test. A copy made by another process: a file that this process has open for
    /// writing, if only in a child between fork and exec, cannot be run (ETXTBSY).
    fn runnable(&self, path: &str, content: &str) -> PathBuf {
        let original = self.program(&format!("{path}.original"), content);
        let copy = self.root.join(path);
        assert!(Command::new("cp").arg("-p").arg(original).arg(&copy).status().unwrap().success());
        copy
    }

    fn virtual_environment(&self, name: &str, configuration: &str) -> PathBuf {
        let installed = self.program("system/bin/python3.12", "\x7fELF");
        let prefix = self.root.join(name);
        fs::create_dir_all(prefix.join("bin")).unwrap();
        symlink(installed, prefix.join("bin/python3")).unwrap();
        fs::write(prefix.join("pyvenv.cfg"), configuration).unwrap();
        prefix
    }

    fn environment(&self, path: &[&str], variables: &[(&str, &str)]) -> Environment {
        let path = std::env::join_paths(path.iter().map(|directory| self.root.join(directory))).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into()));
        Environment::new(variables.chain([("PATH".to_owned(), path)]), self.root.join("home"))
    }

    fn found(&self, path: &[&str]) -> Option<PythonEnvironment> {
        PythonEnvironment::find(&self.environment(path, &[]))
    }
}

#[test]
fn nothing_on_the_path_is_no_environment() {
    assert_eq!(Tree::new().found(&["bin"]), None);
}

#[test]
fn an_installation_is_where_its_links_lead() {
    let tree = Tree::new();
    let installed = tree.program("opt/python/bin/python3.12", "\x7fELF");
    fs::create_dir_all(tree.root.join("bin")).unwrap();
    symlink(installed, tree.root.join("bin/python3")).unwrap();

    let python = tree.found(&["bin"]).unwrap();
    assert_eq!(python.prefix, tree.root.join("opt/python"));
    assert_eq!(python.executable, tree.root.join("bin/python3"));
}

#[test]
fn a_virtual_environment_is_where_its_link_is() {
    let tree = Tree::new();
    let prefix = tree.virtual_environment("venv", "include-system-site-packages = false\n");
    assert_eq!(tree.found(&["venv/bin"]).unwrap().prefix, prefix);
}

#[test]
fn the_python_that_jupyters_first_line_names_comes_first() {
    let tree = Tree::new();
    let prefix = tree.virtual_environment("tools/jupyter", "");
    let shebang = format!("#!{}\nimport re\n", prefix.join("bin/python3").display());
    tree.program("bin/jupyter", &shebang);
    tree.program("bin/python3", "\x7fELF");
    assert_eq!(tree.found(&["bin"]).unwrap().prefix, prefix);
}

#[test]
fn a_first_line_may_leave_the_choice_to_the_path() {
    let tree = Tree::new();
    tree.program("conda/bin/python3", "\x7fELF");
    tree.program("bin/jupyter", "#!/usr/bin/env python3\n");
    assert_eq!(tree.found(&["bin", "conda/bin"]).unwrap().prefix, tree.root.join("conda"));
}

#[test]
fn a_linked_jupyter_with_an_odd_first_line_belongs_to_the_python_beside_it() {
    let tree = Tree::new();
    let prefix = tree.virtual_environment("venv", "");
    let script = tree.program("venv/bin/jupyter", "#!/bin/sh\n'''exec' \"/a path/python\" \"$0\" \"$@\"\n");
    fs::create_dir_all(tree.root.join("bin")).unwrap();
    symlink(script, tree.root.join("bin/jupyter")).unwrap();
    assert_eq!(tree.found(&["bin"]).unwrap().prefix, prefix);
}

#[test]
fn a_shim_is_asked_which_python_it_stands_for() {
    let tree = Tree::new();
    let prefix = tree.virtual_environment("versions/3.12", "");
    let answer = format!("#!/bin/sh\necho {}\n", prefix.join("bin/python3").display());
    for name in ["jupyter", "python3"] {
        tree.runnable(&format!("shims/{name}"), &answer);
    }
    assert_eq!(tree.found(&["shims"]).unwrap().prefix, prefix);
}

#[test]
fn a_shim_that_knows_no_python_is_passed_over() {
    let tree = Tree::new();
    for name in ["jupyter", "python3"] {
        tree.runnable(&format!("shims/{name}"), "#!/bin/sh\nexit 127\n");
    }
    let python = tree.program("shims/mise", "not even a program");
    symlink(python, tree.root.join("shims/python")).unwrap();
    tree.program("usr/bin/python3", "\x7fELF");
    assert_eq!(tree.found(&["shims", "usr/bin"]).unwrap().prefix, tree.root.join("usr"));
}

#[test]
fn an_owned_virtual_environment_comes_before_the_user_unless_told_otherwise() {
    let tree = Tree::new();
    tree.virtual_environment("venv", "");
    let before = |environment: &Environment| {
        PythonEnvironment::find(environment).unwrap().comes_before_user(environment)
    };

    assert!(before(&tree.environment(&["venv/bin"], &[])));
    assert!(!before(&tree.environment(&["venv/bin"], &[("JUPYTER_PREFER_ENV_PATH", "0")])));

    tree.program("system/bin/python3", "\x7fELF");
    assert!(!before(&tree.environment(&["system/bin"], &[])));

    let mut stranger = tree.environment(&["venv/bin"], &[]);
    stranger.user += 1;
    assert!(!before(&stranger));
}

#[test]
fn a_conda_environment_comes_before_the_user_unless_it_is_the_base() {
    let tree = Tree::new();
    tree.program("conda/envs/stats/bin/python3", "\x7fELF");
    let prefix = tree.root.join("conda/envs/stats");
    for (name, expected) in [("stats", true), ("base", false)] {
        let variables = [("CONDA_PREFIX", prefix.to_str().unwrap()), ("CONDA_DEFAULT_ENV", name)];
        let environment = tree.environment(&["conda/envs/stats/bin"], &variables);
        assert_eq!(PythonEnvironment::find(&environment).unwrap().comes_before_user(&environment), expected);
    }
}

#[test]
fn the_users_prefix_is_seen_where_python_sees_it() {
    let tree = Tree::new();
    tree.virtual_environment("closed", "include-system-site-packages = false\n");
    let sees = |environment: &Environment| {
        PythonEnvironment::find(environment).unwrap().sees_user_prefix(environment)
    };
    assert!(!sees(&tree.environment(&["closed/bin"], &[])));

    let open = tree.root.join("closed/pyvenv.cfg");
    fs::write(open, "home = /x\nInclude-System-Site-Packages = TRUE\n").unwrap();
    assert!(sees(&tree.environment(&["closed/bin"], &[])));
    assert!(!sees(&tree.environment(&["closed/bin"], &[("PYTHONNOUSERSITE", "1")])));
}
