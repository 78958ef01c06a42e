//! Results that are kept under a name, to be compared with later: JSON under cargo's target directory, or, for everyone,
//! under `benches/baselines`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::report::Results;

/// Takes a name that is nothing but the name of a file.
pub fn name(text: &str) -> Result<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.starts_with('.') || !text.bytes().all(is_plain) {
        bail!("a name consists of letters, digits, '-', '_' and '.', and does not start with '.'");
    }
    Ok(text.to_owned())
}

/// Keeps results; returns where.
pub fn save(name: &str, results: &Results) -> Result<PathBuf> {
    let file = path(name);
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(&file, serde_json::to_vec_pretty(results)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Results that were kept: by whoever runs this, else for everyone.
pub fn load(name: &str) -> Result<Results> {
    let (own, common) = (path(name), baseline(name));
    let file = if own.exists() || !common.exists() { own } else { common };
    let bytes = fs::read(&file)
        .with_context(|| format!("no results were saved as {name:?}: cannot read {}", file.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} holds no results", file.display()))
}

/// Each bench keeps its own.
fn path(name: &str) -> PathBuf {
    file_in(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
}

fn baseline(name: &str) -> PathBuf {
    file_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/baselines"), name)
}

fn file_in(directory: &Path, name: &str) -> PathBuf {
    directory.join(env!("CARGO_CRATE_NAME")).join(format!("{name}.json"))
}
