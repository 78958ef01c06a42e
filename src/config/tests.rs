use std::{collections::BTreeMap, num::NonZeroU32};

use tempfile::TempDir;

use crate::{
    byte_size::ByteSize,
    jupyter::kernelspec::InterruptMode,
    runtimes::{Adapter, ConnectionMode, Cores, Launch, Nice, RuntimeSource},
};

use super::*;

const FILE: &str = "/etc/fleet.toml";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new(FILE), text)
}

/// A kernelspec `python3` with everything set that a table can override.
fn installed() -> Vec<Runtime> {
    vec![Runtime {
        name: "python3".parse().unwrap(),
        display_name: "Python 3".to_owned(),
        language: "python".to_owned(),
        launch: Launch::Argv {
            argv: vec!["python3".to_owned(), "-m".to_owned(), "ipykernel".to_owned()],
            env: BTreeMap::from([
                ("A".to_owned(), "kernelspec".to_owned()),
                ("B".to_owned(), "b".to_owned()),
            ]),
            cwd: None,
        },
        source: RuntimeSource::Kernelspec("/usr/share/jupyter/kernels/python3".into()),
        debugger: true,
        ..Runtime::builtin_lua()
    }]
}

fn runtimes(text: &str) -> Result<Runtimes, ConfigError> {
    parse(text)?.runtimes(installed(), None)
}

fn runtime(text: &str, name: &str) -> Runtime {
    runtimes(text).unwrap().find(&name.parse().unwrap()).unwrap().as_ref().clone()
}

fn message(text: &str) -> String {
    runtimes(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_leaves_everything_as_usual() {
    let config = parse("").unwrap();
    assert_eq!((config.usual, config.bounds), (Usual::default(), Bounds::default()));
    assert_eq!(config.restart, RestartRight::Anyone);
    assert_eq!(runtimes("").unwrap().names().to_string(), "python3, lua");
}

#[test]
fn every_key_of_a_runtime_is_read() {
    let text = r#"
        restart = "sole"
        max_clients = 4
        max_kernels = 9
        max_memory = "8G"
        cull_after = "1h 30m"
        [serve]
        ip = "localhost"
        transport = "tcp"
        connection_file = "/run/fleet.json"
        [runtimes.gpu]
        argv = ["llmspell", "kernel", "--port", "{port}", "--connection-file", "{connection_file}"]
        env = { A = "b" }
        cwd = "/srv"
        language = "lua"
        display_name = "GPU"
        providers = ["openai", "ollama"]
        labels = ["gpu"]
        memory_limit = "512M"
        cpu_limit = 1.5
        max_processes = 64
        open_files = 256
        nice = -5
        interrupt_mode = "message"
        transport = "tcp"
        connection = "announced"
        pool = 2
        max_clients = 3
        cull_after = 90.5
        debugger = true
    "#;
    let config = parse(text).unwrap();
    assert_eq!(config.serve.ip, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(config.restart, RestartRight::Sole);
    assert_eq!(config.bounds, Bounds { kernels: NonZeroUsize::new(9), memory: ByteSize::new(8 << 30) });
    assert_eq!(config.usual.cull_after, Some(Duration::from_secs(5400)));

    let gpu = runtime(text, "gpu");
    let Launch::Argv { argv, env, cwd } = &gpu.launch else { panic!("a command") };
    assert_eq!((argv.len(), env["A"].as_str(), cwd.as_deref()), (6, "b", Some(Path::new("/srv"))));
    assert_eq!((gpu.language.as_str(), gpu.display_name.as_str()), ("lua", "GPU"));
    assert!(gpu.providers.contains("ollama") && gpu.labels.contains("gpu"));
    assert_eq!(gpu.memory_limit, ByteSize::new(512 << 20));
    let limits = gpu.process_limits;
    assert_eq!((limits.cpu_limit, limits.nice), (Cores::new(1.5), Nice::try_from(-5).ok()));
    assert_eq!((limits.max_processes, limits.open_files), (NonZeroU32::new(64), NonZeroU32::new(256)));
    assert_eq!((gpu.interrupt_mode, gpu.connection), (InterruptMode::Message, ConnectionMode::Announced));
    assert_eq!((gpu.pool, gpu.max_clients, gpu.debugger), (Some(2), NonZeroUsize::new(3), true));
    assert_eq!(gpu.cull_after, Some(Duration::from_millis(90_500)));
    assert_eq!(gpu.source, RuntimeSource::Config(FILE.into()));
}

#[test]
fn what_may_hold_limits_can_be_chosen() {
    assert_eq!(parse("").unwrap().confinement, ConfinementChoice::Auto);
    assert_eq!(parse("confinement = 'rlimit'").unwrap().confinement, ConfinementChoice::Rlimit);
    let text = message("confinement = 'jail'");
    assert!(text.contains("`jail`") && text.contains("`cgroup`"), "{text}");
}

#[test]
fn a_command_needs_only_a_language() {
    let ark = runtime("[runtimes.ark]\nargv = ['ark', '{connection_file}']\nlanguage = 'R'", "ark");
    assert_eq!((ark.display_name.as_str(), ark.transport), ("ark", Transport::Tcp));
    assert_eq!((ark.interrupt_mode, ark.connection), (InterruptMode::Signal, ConnectionMode::Given));
}

#[test]
fn an_adapter_is_given_its_connection() {
    let text =
        "[runtimes.spell]\nargv = ['llmspell', 'kernel', 'start']\nlanguage = 'lua'\nadapter = 'llmspell'\n";
    for more in ["", "connection = 'announced'"] {
        let spell = runtime(&format!("{text}{more}"), "spell");
        assert_eq!((spell.adapter, spell.connection), (Some(Adapter::Llmspell), ConnectionMode::Given));
        assert_eq!((spell.transport, spell.interrupt_mode), (Transport::Ipc, InterruptMode::Message));
    }
    let detached = text.replace("'start'", "'start', '--daemon'");
    assert!(message(&detached).contains("leave --daemon out"), "{}", message(&detached));
    assert!(message("[runtimes.lua]\nadapter = 'llmspell'").contains("add the argv"));
    assert!(message(&text.replace("= 'llmspell'", "= 'other'")).contains("`other`"));
}

#[test]
fn a_runtime_can_start_from_a_kernelspec() {
    let text = "[runtimes.big]\nkernelspec = 'Python3'\nenv = { A = 'config' }\nmemory_limit = 1024";
    let big = runtime(text, "big");
    let Launch::Argv { argv, env, .. } = &big.launch else { panic!("a command") };
    assert_eq!((argv[2].as_str(), env["A"].as_str(), env["B"].as_str()), ("ipykernel", "config", "b"));
    assert_eq!((big.memory_limit, big.debugger), (ByteSize::new(1024), true));
}

#[test]
fn a_table_of_an_existing_name_overrides_it() {
    let text = "[runtimes.lua]\npool = 1\n[runtimes.python3]\nlabels = ['plain']";
    assert_eq!(runtimes(text).unwrap().names().to_string(), "lua, python3");
    let lua = runtime(text, "lua");
    assert_eq!((lua.pool, &lua.launch), (Some(1), &Runtime::builtin_lua().launch));
    assert!(runtime(text, "python3").labels.contains("plain"));
}

#[test]
fn the_built_in_kernel_takes_variables_and_a_directory_and_other_names() {
    let table = "env = { A = 'b' }\ncwd = '/srv'";
    for head in [
        "[runtimes.lua]",
        "[runtimes.builtin-lua]",
        "[runtimes.other]\nkernelspec = 'lua'",
        "[runtimes.other]\nkernelspec = 'builtin-lua'",
    ] {
        let text = format!("{head}\n{table}");
        let all = runtimes(&text).unwrap();
        let first = all.iter().next().unwrap();
        let Launch::BuiltinLua { env, cwd } = &first.launch else { panic!("{text}: {:?}", first.launch) };
        assert_eq!((env["A"].as_str(), cwd.as_deref()), ("b", Some(Path::new("/srv"))), "{text}");
    }
    let known = message("[runtimes.x]\nkernelspec = 'julia'");
    assert!(known.ends_with("there are python3, lua"), "{known}");
}

#[test]
fn bounds_that_leave_nothing_are_refused() {
    for line in ["launch_ms = 0", "frame_bytes = 0", "requests_in_flight = 0", "bad_messages = 0"] {
        let text = message(&format!("[limits]\n{line}"));
        assert!(text.starts_with("/etc/fleet.toml:2:") && text.contains("must be more than 0"), "{text}");
    }
    assert_eq!(parse("[limits]\nbarrier_ms = 0").unwrap().limits.barrier_ms, 0);
}

#[test]
fn a_wrong_number_is_told_in_plain_words() {
    for (text, words) in [
        ("max_clients = -1", "expected a whole number, 0 or more"),
        ("max_clients = 'x'", "expected a whole number, 0 or more"),
        ("[limits]\nlaunch_ms = -1", "expected a whole number, 0 or more"),
        ("[limits]\nbad_messages = 'x'", "expected a whole number, 0 or more"),
        ("[runtimes.x]\nnice = 'x'", "expected a whole number"),
        ("[runtimes.x]\ncpu_limit = 'x'", "expected a number"),
        ("[runtimes.x]\npool = 1.5", "expected a whole number, 0 or more"),
        ("[runtimes.x]\nproviders = 'openai'", "expected a list"),
        ("[runtimes.x]\nenv = 'x'", "expected a table"),
        ("limits = 1", "expected a table"),
    ] {
        let told = message(text);
        let jargon = ["usize", "u64", "u32", "i32", "f64", "nonzero", "sequence", "struct"];
        assert!(told.contains(words) && !jargon.iter().any(|word| told.contains(word)), "{told}");
    }
}

#[test]
fn the_bound_of_clients_holds_where_no_runtime_says_otherwise() {
    let text = "max_clients = 4\n[runtimes.free]\nkernelspec = 'python3'\nmax_clients = 0";
    assert_eq!(runtime(text, "python3").max_clients, NonZeroUsize::new(4));
    assert_eq!(runtime(text, "free").max_clients, None);
}

#[test]
fn the_built_in_kernel_is_bounded_and_culled_as_usual() {
    for name in ["lua", "builtin-lua"] {
        let others = "[runtimes.lua]\nkernelspec = 'python3'";
        let text = format!("max_clients = 4\ncull_after = '2h'\n{}", if name == "lua" { "" } else { others });
        let lua = runtime(&text, name);
        assert_eq!(
            (lua.max_clients, lua.cull_after),
            (NonZeroUsize::new(4), Some(Duration::from_secs(7200))),
            "{name}"
        );
    }
}

#[test]
fn idle_kernels_are_stopped_after_the_usual_time_unless_their_runtime_has_its_own() {
    let text = "cull_after = '2h'\n[runtimes.kept]\nkernelspec = 'python3'\ncull_after = 0\n\
                [runtimes.brief]\nkernelspec = 'python3'\ncull_after = '45s'";
    assert_eq!(runtime(text, "python3").cull_after, Some(Duration::from_secs(7200)));
    assert_eq!(runtime(text, "kept").cull_after, None);
    assert_eq!(runtime(text, "brief").cull_after, Some(Duration::from_secs(45)));
    for wrong in ["'soon'", "-1", "-0.5", "inf", "nan", "'30'", "1e300", "true"] {
        let text = message(&format!("cull_after = {wrong}"));
        assert!(text.starts_with("/etc/fleet.toml:1:") && text.contains("30m"), "{text}");
    }
}

#[test]
fn the_default_runtime_keeps_one_kernel_warm_unless_it_says_otherwise() {
    let pool = |text, name, is_default| runtime(text, name).pool_size(is_default);
    assert_eq!((pool("", "python3", true), pool("", "lua", false)), (1, 0));
    assert_eq!(pool("[runtimes.python3]\npool = 0", "python3", true), 0);
    assert_eq!(pool("[runtimes.lua]\npool = 3", "lua", false), 3);
}

#[test]
fn tables_keep_the_order_of_the_file() {
    let text = "[runtimes.z]\nkernelspec = 'python3'\n[runtimes.a]\nkernelspec = 'python3'";
    assert_eq!(runtimes(text).unwrap().names().to_string(), "z, a, python3, lua");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_keys() {
    let text = message("default_runtime = 'lua'\n[runtimes.x]\nmemory = '1G'\n");
    assert!(text.starts_with("/etc/fleet.toml:3:1: "), "{text}");
    assert!(text.contains("`memory`") && text.contains("`memory_limit`"), "{text}");
    assert!(message("[server]\n").contains("`serve`"));
    assert!(message("\n[serve]\nkey = 'k'\n").starts_with("/etc/fleet.toml:3:1: "));
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    for (line, word) in [
        ("memory_limit = 'much'", "much"),
        ("memory_limit = 0", "memory_limit"),
        ("cpu_limit = 0", "cores"),
        ("max_processes = 0", "a whole number from 1 to 4194304"),
        ("max_processes = 4194305", "a whole number from 1 to 4194304"),
        ("open_files = -1", "a whole number from 1 to"),
        ("open_files = 4294967295", "a whole number from 1 to"),
        ("nice = 20", "from -20 to 19"),
        ("pool = -1", "pool"),
        ("interrupt_mode = 'shout'", "`signal`"),
        ("connection = 'stolen'", "`announced`"),
        ("transport = 'udp'", "`ipc`"),
        ("kernelspec = 'a/b'", "cannot be a runtime's name"),
        ("providers = 'openai'", "providers"),
    ] {
        let text = message(&format!("[runtimes.x]\n# a comment\n{line}\n"));
        assert!(text.starts_with("/etc/fleet.toml:3:") && text.contains(word), "{text}");
    }
    assert!(message("\n[serve]\nip = 'example.org'").contains(":3:6: \"example.org\" is not an IP address"));
    assert!(message("restart = 'me'").contains("`sole`"));
    assert!(message("[runtimes.x\n").starts_with("/etc/fleet.toml:1:"));
}

#[test]
fn a_table_that_describes_no_runtime_is_named_with_its_line() {
    for (table, problem) in [
        ("argv = ['x']\nkernelspec = 'python3'\nlanguage = 'x'", "both argv and kernelspec"),
        ("argv = []\nlanguage = 'x'", "empty argv"),
        ("argv = ['x']", "needs a language"),
        ("kernelspec = 'julia'", "kernelspec julia, which is not installed: there are python3"),
        ("pool = 1", "says nothing of what to start"),
    ] {
        let text = message(&format!("\n[runtimes.x]\n{table}\n"));
        assert!(text.starts_with("/etc/fleet.toml:2: the runtime x ") && text.contains(problem), "{text}");
    }
}

#[test]
fn names_must_be_names_and_differ() {
    assert!(message("[runtimes.'a/b']\npool = 1").starts_with("/etc/fleet.toml:1: \"a/b\" cannot be"));
    let text = message("[runtimes.Lua]\npool = 1\n[runtimes.lua]\npool = 2");
    assert_eq!(text, "/etc/fleet.toml:3: the runtime lua is already described in line 1");
}

#[test]
fn a_default_that_does_not_exist_says_who_named_it() {
    let text = message("\ndefault_runtime = 'julia'");
    assert_eq!(text, "/etc/fleet.toml:2: default_runtime: there is no runtime julia: there are python3, lua");

    let julia = "julia".parse().unwrap();
    let error = parse("default_runtime = 'lua'").unwrap().runtimes(installed(), Some(&julia)).unwrap_err();
    assert!(error.to_string().starts_with("--default-runtime: there is no runtime julia"), "{error}");
}

#[test]
fn the_default_runtime_is_the_configs_unless_one_is_chosen() {
    let config = parse("default_runtime = 'lua'").unwrap();
    assert_eq!(config.runtimes(installed(), None).unwrap().default_runtime().name.as_str(), "lua");
    let python = "python3".parse().unwrap();
    let chosen = config.runtimes(installed(), Some(&python)).unwrap();
    assert_eq!(chosen.default_runtime().name.as_str(), "python3");
}

#[test]
fn the_usual_file_may_be_missing_but_a_named_one_may_not() {
    let home = TempDir::new().unwrap();
    let environment = Environment::new([("JUPYTER_CONFIG_DIR", home.path())], home.path());
    assert!(Config::load(None, &environment).is_ok());

    let missing = home.path().join("other.toml");
    let error = Config::load(Some(&missing), &environment).unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");

    fs::write(home.path().join(FILE_NAME), "max_clients = 7").unwrap();
    assert_eq!(Config::load(None, &environment).unwrap().usual.max_clients, NonZeroUsize::new(7));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}|([a-z_]{1,9}(=|\\.)|\\[|\\]|\"|'|\n|1|true|runtimes|argv){0,30}") {
        let _ = parse(&text);
    }
}
