//! The layers of the source: a file imports only from layers below its own.
//!
//! Every path in `src` that starts at the crate's root is looked at, in imports and in code, tests included.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

#[path = "layers/paths.rs"]
mod paths;
#[path = "layers/rules.rs"]
mod rules;
#[path = "layers/tokens.rs"]
mod tokens;

use std::{
    fs,
    path::{Path, PathBuf},
};

use paths::rooms_named;
use rules::{Edge, faults};

/// The rooms, from the ground up. Rooms of one layer know nothing of each other, but for [`SIDEWAYS`].
const LAYERS: [&[&str]; 10] = [
    &[
        "byte_size",
        "channel",
        "frames",
        "id",
        "input",
        "limits",
        "listing",
        "metrics",
        "runtime_name",
        "shutdown",
    ],
    &["jupyter", "zmtp"],
    &["route"],
    &["magic", "net", "runtimes"],
    &["kernel"],
    &["exec", "fleet", "kernelspecs", "llmspell", "lua"],
    &["state"],
    &["proxy"],
    &["admin", "app", "attach", "cli", "config"],
    &["laws", "main"],
];

/// Edges within a layer, each with its reason.
const SIDEWAYS: [(&str, &str, &str); 8] = [
    ("llmspell", "lua", "its cells are Lua, which our parser reads"),
    ("cli", "config", "what is typed wins over what the config says"),
    ("cli", "admin", "commands show what the API answers"),
    ("app", "admin", "serve serves the API"),
    ("app", "attach", "attach is a command"),
    ("attach", "admin", "a stub talks to serve over the admin socket"),
    ("app", "config", "commands run what is meant, which the config says"),
    ("app", "cli", "commands take what was typed"),
];

#[test]
fn every_file_imports_only_from_below() {
    let edges = edges();
    assert!(edges.iter().any(|edge| edge.from == "route" && edge.to == "id"), "edges are not found");
    let faults = faults(&edges, &LAYERS, &SIDEWAYS);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_sideways_edge_is_listed_in_vain() {
    let edges = edges();
    for (from, to, reason) in SIDEWAYS {
        let used = edges.iter().any(|edge| edge.from == from && edge.to == to);
        assert!(used, "{from} does not import from {to} any more ({reason}): take it off the list");
    }
}

#[test]
fn unsafe_code_stands_in_two_files_of_a_few_lines() {
    let mut files = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    files.retain(|file| fs::read_to_string(file).unwrap().contains("unsafe_code"));
    files.sort();
    let known = ["jupyter/signature/two_states.rs", "net/unacknowledged.rs"];
    let are_known = files.iter().zip(known).all(|(file, known)| file.ends_with(known));
    assert!(files.len() == known.len() && are_known, "{files:?}");
}

/// All that rooms name in `src`. Each room names itself, so that one that names no other is looked at too.
fn edges() -> Vec<Edge> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut edges = Vec::new();
    for file in rust_files(&root.join("src")) {
        let path = file.strip_prefix(root).unwrap();
        let Some(module) = module_of(path) else { continue };
        let room = module.first().map_or("main", String::as_str);
        let named = rooms_named(&fs::read_to_string(&file).unwrap(), &module);
        edges.push(Edge::new(room, room, path, 1));
        edges.extend(named.iter().map(|named| Edge::new(room, &named.room, path, named.line)));
    }
    edges
}

/// The module that a file under `src` holds; `None` for `lib.rs`, which holds nothing but the map of the rooms.
fn module_of(path: &Path) -> Option<Vec<String>> {
    let inside = path.strip_prefix("src").ok()?.with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module == ["lib"] {
        return None;
    }
    if module.last().is_some_and(|name| name == "mod") || module == ["main"] {
        module.pop();
    }
    Some(module)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn files_are_modules() {
    let module = |path| module_of(Path::new(path)).map(|module| module.join("::"));
    assert_eq!(module("src/lib.rs"), None);
    assert_eq!(module("src/main.rs").as_deref(), Some(""));
    assert_eq!(module("src/id.rs").as_deref(), Some("id"));
    assert_eq!(module("src/route/mod.rs").as_deref(), Some("route"));
    assert_eq!(module("src/route/tests/barrier.rs").as_deref(), Some("route::tests::barrier"));
}
