//! Which kernels are found, in directories made for the test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail loudly")]
use std::{
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use jupyter_fleet::{
    jupyter::{address::Transport, kernelspec::InterruptMode},
    runtimes::{Discovery, Environment, Launch, Runtime, RuntimeSource, discover},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A home directory and a Python environment of its own.
struct Machine {
    root: PathBuf,
    _kept: TempDir,
}

impl Machine {
    fn new() -> Self {
        let kept = TempDir::new().unwrap();
        let machine = Self { root: kept.path().canonicalize().unwrap(), _kept: kept };
        machine.program("python/bin/python3");
        machine
    }

    fn program(&self, path: &str) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "\x7fELF").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn kernel(&self, directory: &str, json: &Value) -> PathBuf {
        self.kernel_text(directory, &json.to_string())
    }

    fn kernel_text(&self, directory: &str, text: &str) -> PathBuf {
        let directory = self.root.join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("kernel.json"), text).unwrap();
        directory
    }

    fn environment(&self, variables: &[(&str, &Path)]) -> Environment {
        let path = ("PATH".into(), self.root.join("python/bin").into_os_string());
        let variables =
            variables.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned()));
        Environment::new(variables.chain([path]), self.root.join("home"))
    }

    fn discover(&self) -> Discovery {
        discover(&self.environment(&[]))
    }
}

const ENVIRONMENT: &str = "python/share/jupyter/kernels";

/// The user's directory, on either platform.
fn user(name: &str) -> String {
    let data = if cfg!(target_os = "macos") { "home/Library/Jupyter" } else { "home/.local/share/jupyter" };
    format!("{data}/kernels/{name}")
}

fn spec(display_name: &str) -> Value {
    json!({"argv": ["kernel", "{connection_file}"], "display_name": display_name, "language": "any"})
}

fn find<'a>(discovery: &'a Discovery, name: &str) -> Option<&'a Runtime> {
    discovery.runtimes.iter().find(|runtime| runtime.name.as_str() == name)
}

fn argv(runtime: &Runtime) -> &[String] {
    match &runtime.launch {
        Launch::Argv { argv, .. } => argv,
        Launch::BuiltinLua { .. } => panic!("a kernelspec is launched by its command"),
    }
}

#[test]
fn kernels_of_the_user_the_environment_and_ipython_are_found() {
    let machine = Machine::new();
    machine.kernel(&user("one"), &spec("One"));
    machine.kernel(&format!("{ENVIRONMENT}/two"), &spec("Two"));
    machine.kernel("home/.ipython/kernels/three", &spec("Three"));
    let discovery = machine.discover();
    for (name, display_name) in [("one", "One"), ("two", "Two"), ("three", "Three")] {
        assert_eq!(find(&discovery, name).unwrap().display_name, display_name);
    }
}

#[test]
fn the_first_of_a_name_counts_in_whatever_case() {
    let machine = Machine::new();
    machine.kernel(&user("IR"), &spec("the user's"));
    machine.kernel(&format!("{ENVIRONMENT}/ir"), &spec("the environment's"));
    machine.kernel("extra/kernels/Ir", &spec("extra"));

    assert_eq!(find(&machine.discover(), "ir").unwrap().display_name, "the user's");

    let prefer_environment = machine.environment(&[("JUPYTER_PREFER_ENV_PATH", Path::new("1"))]);
    assert_eq!(find(&discover(&prefer_environment), "ir").unwrap().display_name, "the environment's");

    let extra = machine.environment(&[("JUPYTER_PATH", &machine.root.join("extra"))]);
    assert_eq!(find(&discover(&extra), "ir").unwrap().display_name, "extra");
}

#[test]
fn a_kernelspec_needs_a_command_and_any_name_that_is_text() {
    let machine = Machine::new();
    for name in ["With Space", "Ünïcode Ядро"] {
        machine.kernel(&user(name), &json!({"argv": ["k", "{resource_dir}"]}));
    }
    let discovery = machine.discover();
    for (name, directory) in [("with space", "With Space"), ("ünïcode ядро", "Ünïcode Ядро")] {
        let runtime = find(&discovery, name).unwrap();
        assert_eq!((runtime.display_name.as_str(), runtime.language.as_str()), (name, ""));
        let Launch::Argv { argv, .. } = &runtime.launch else { panic!("{runtime:?}") };
        assert!(argv[1].ends_with(directory), "{argv:?}");
    }
}

#[test]
fn a_directory_whose_name_is_no_text_is_skipped() {
    let machine = Machine::new();
    let name = std::ffi::OsStr::from_bytes(b"k\xff");
    let path = machine.root.join(user("")).join(name);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("kernel.json"), r#"{"argv": ["k"]}"#).unwrap();
    let discovery = machine.discover();
    let skipped = discovery.skipped.iter().find(|skipped| skipped.path == path).unwrap().to_string();
    assert!(skipped.contains("cannot be a runtime's name"), "{skipped}");
}

#[test]
fn what_cannot_be_used_is_skipped_and_named() {
    let machine = Machine::new();
    let mut remote = spec("remote");
    remote["metadata"] = json!({"kernel_provisioner": {"provisioner_name": "yarn"}});
    let broken = [
        (machine.kernel_text(&user("broken"), "{"), "not a kernelspec"),
        (
            machine.kernel(&user("empty"), &json!({"argv": [], "display_name": "", "language": ""})),
            "no \"argv\"",
        ),
        (machine.kernel(&user("new\nline"), &spec("x")), "cannot be a runtime's name"),
        (machine.kernel(&user("remote"), &remote), "provisioner \"yarn\""),
    ];
    machine.kernel(&user("good"), &spec("Good"));

    let discovery = machine.discover();
    assert!(find(&discovery, "good").is_some());
    for (path, reason) in broken {
        let skipped = discovery.skipped.iter().find(|skipped| skipped.path == path).unwrap().to_string();
        assert!(skipped.contains(path.to_str().unwrap()) && skipped.contains(reason), "{skipped}");
    }
}

#[test]
fn kernelspecs_that_lead_to_a_fleet_are_passed_over_in_silence() {
    let machine = Machine::new();
    let mut marked = spec("Python 3 (fleet)");
    marked["argv"] = json!(["/tmp/renamed", "attach", "-f", "{connection_file}", "--runtime", "python3"]);
    marked["metadata"] = json!({"fleet": {"runtime": "python3"}});
    machine.kernel(&user("fleet-python3"), &marked);
    let mut by_hand = spec("by hand");
    by_hand["argv"] = json!(["jupyter-fleet", "attach", "-f", "{connection_file}"]);
    machine.kernel(&user("by-hand"), &by_hand);
    machine.kernel(&user("good"), &spec("Good"));

    let discovery = machine.discover();
    assert!(find(&discovery, "good").is_some());
    assert!(find(&discovery, "fleet-python3").is_none() && find(&discovery, "by-hand").is_none());
    assert!(discovery.skipped.iter().all(|skipped| !skipped.path.starts_with(&machine.root)));
}

#[test]
fn a_broken_kernelspec_hides_a_later_one_as_with_jupyter() {
    let machine = Machine::new();
    machine.kernel_text(&user("r"), "{");
    machine.kernel(&format!("{ENVIRONMENT}/r"), &spec("R"));
    assert!(find(&machine.discover(), "r").is_none());
}

#[test]
fn directories_without_a_kernel_json_are_no_kernels() {
    let machine = Machine::new();
    fs::create_dir_all(machine.root.join(user("nothing"))).unwrap();
    fs::write(machine.root.join(user("file")), "").unwrap();
    let discovery = machine.discover();
    assert!(find(&discovery, "nothing").is_none() && find(&discovery, "file").is_none());
    assert!(discovery.skipped.iter().all(|skipped| !skipped.path.starts_with(&machine.root)));
}

#[test]
fn a_linked_kernelspec_is_found() {
    let machine = Machine::new();
    let elsewhere = machine.kernel("elsewhere/r", &spec("R"));
    fs::create_dir_all(machine.root.join(user(""))).unwrap();
    symlink(elsewhere, machine.root.join(user("linked"))).unwrap();
    assert!(find(&machine.discover(), "linked").is_some());
}

#[test]
fn a_runtime_holds_what_the_kernelspec_says() {
    let machine = Machine::new();
    let directory = machine.kernel(
        &user("full"),
        &json!({
            "argv": ["{resource_dir}/start", "-m", "ipykernel", "{connection_file}", "{prefix}"],
            "display_name": "Full", "language": "python", "interrupt_mode": "message",
            "env": {"STATE": "${HOME_OF_IT}/state", "PLAIN": "1"}, "metadata": {"debugger": true}
        }),
    );
    let discovery = discover(&machine.environment(&[("HOME_OF_IT", Path::new("/srv"))]));
    let runtime = find(&discovery, "full").unwrap();

    assert_eq!(argv(runtime)[0], format!("{}/start", directory.display()));
    assert_eq!(argv(runtime)[3], "{connection_file}");
    let Launch::Argv { env, .. } = &runtime.launch else { panic!("a command") };
    assert_eq!((env["STATE"].as_str(), env["PLAIN"].as_str()), ("/srv/state", "1"));
    assert_eq!((runtime.interrupt_mode, runtime.debugger), (InterruptMode::Message, true));
    assert_eq!((runtime.language.as_str(), runtime.transport), ("python", Transport::Ipc));
    assert_eq!(runtime.source, RuntimeSource::Kernelspec(directory));
}

#[test]
fn a_bare_python_is_the_one_that_the_kernelspec_belongs_to() {
    let machine = Machine::new();
    let python_kernel =
        |program: &str| json!({"argv": [program, "-m", "k"], "display_name": "K", "language": "k"});
    machine.kernel(&format!("{ENVIRONMENT}/own"), &python_kernel("python3"));
    machine.kernel(&format!("{ENVIRONMENT}/full"), &python_kernel("/usr/bin/python3"));
    machine.kernel(&format!("{ENVIRONMENT}/named"), &python_kernel("python-kernel"));
    machine.kernel("extra/kernels/extra", &python_kernel("python"));
    let other = machine.program("other/bin/python");
    machine.kernel("other/share/jupyter/kernels/other", &python_kernel("python"));

    let more =
        std::env::join_paths([machine.root.join("extra"), machine.root.join("other/share/jupyter")]).unwrap();
    let discovery = discover(&machine.environment(&[("JUPYTER_PATH", Path::new(&more))]));
    let program = |name: &str| PathBuf::from(&argv(find(&discovery, name).unwrap())[0]);
    let on_the_path = machine.root.join("python/bin/python3");
    assert_eq!(program("own"), on_the_path);
    assert_eq!(program("extra"), on_the_path);
    assert_eq!(program("other"), other);
    assert_eq!(program("full"), Path::new("/usr/bin/python3"));
    assert_eq!(program("named"), Path::new("python-kernel"));
}
