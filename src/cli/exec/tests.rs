use clap::Parser;
use serde_json::json;
use tempfile::TempDir;

use crate::cli::{Cli, Command};

use super::*;

fn directories(runtime: &Path) -> Directories {
    Directories { config: None, data: "/data".into(), runtime: runtime.to_owned() }
}

fn parse(arguments: &[&str]) -> Result<ExecRequest, clap::Error> {
    let cli = Cli::try_parse_from(["jupyter-fleet", "exec"].iter().chain(arguments))?;
    let Command::Exec(exec) = cli.command else { panic!("exec was typed") };
    Ok(exec.meaning(&directories(Path::new("/runtime"))))
}

fn fleet(arguments: &[&str]) -> Value {
    parse(&[&["-c", "1"], arguments].concat()).unwrap().fleet.map_or(Value::Null, Value::Object)
}

#[test]
fn the_code_is_given_once() {
    assert_eq!(parse(&["-c", "-1"]).unwrap().code, CodeSource::Inline("-1".to_owned()));
    assert_eq!(parse(&["a.lua"]).unwrap().code, CodeSource::File("a.lua".into()));
    assert_eq!(parse(&["-"]).unwrap().code, CodeSource::StandardInput);
    assert!(parse(&[]).is_err());
    assert!(parse(&["-c", "1", "a.lua"]).is_err());
}

#[test]
fn asking_for_nothing_is_no_metadata() {
    assert_eq!(fleet(&[]), Value::Null);
}

#[test]
fn each_flag_is_a_key_of_the_metadata() {
    let text = ["--runtime", "Lua", "--language", "lua", "--provider", "openai", "--provider", "ollama"];
    let more = ["--memory-limit", "524288K", "--label", "gpu", "--group", "team-a", "--kernel", "0a"];
    assert_eq!(
        fleet(&[text.as_slice(), &more, &["--isolated", "--debug"]].concat()),
        json!({
            "runtime": "lua", "language": "lua", "providers": ["openai", "ollama"], "memory_limit": "512M",
            "labels": ["gpu"], "group": "team-a", "isolated": true, "debug": true, "kernel": "0a"
        })
    );
}

#[test]
fn values_that_cannot_be_are_usage_errors() {
    for wrong in [["--memory-limit", "0.5K"], ["--runtime", "a/b"]] {
        assert!(parse(&[&["-c", "1"], wrong.as_slice()].concat()).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_metadata_can_be_given_whole_but_not_twice() {
    assert_eq!(fleet(&["--fleet", r#"{"runtime": "lua"}"#]), json!({"runtime": "lua"}));
    for wrong in ["lua", "[1]", "{"] {
        let text = parse(&["-c", "1", "--fleet", wrong]).unwrap_err().to_string();
        assert!(text.contains("not a JSON object"), "{text}");
    }
    for flag in [["--runtime=lua"], ["--isolated"], ["--provider=x"], ["--kernel=0a"]] {
        assert!(parse(&[&["-c", "1", "--fleet", "{}"], flag.as_slice()].concat()).is_err(), "{flag:?}");
    }
}

#[test]
fn a_timeout_is_a_positive_number_of_seconds() {
    assert_eq!(parse(&["-c", "1", "--timeout", "1.5"]).unwrap().timeout, Some(Duration::from_millis(1500)));
    for wrong in ["0", "-1", "NaN", "inf", "soon", "1e300"] {
        assert!(parse(&["-c", "1", &format!("--timeout={wrong}")]).is_err(), "{wrong}");
    }
}

#[test]
fn the_fleet_is_found_by_path_and_by_name() {
    assert_eq!(parse(&["-c", "1"]).unwrap().connection_file, Path::new("/runtime/kernel-fleet.json"));
    let by_path = parse(&["-c", "1", "--existing", "/x/kernel-1.json"]).unwrap();
    assert_eq!(by_path.connection_file, Path::new("/x/kernel-1.json"));

    let runtime = TempDir::new().unwrap();
    let file = runtime.path().join("mine.json");
    std::fs::write(&file, "").unwrap();
    assert_eq!(existing_file("mine.json".into(), runtime.path()), file);
}
