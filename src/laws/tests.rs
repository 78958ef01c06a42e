//! Every law for a moment: its seeds, what comes of changing them, and bytes at random. And every law has its target.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};

use super::*;

/// How often each law is tried with changed seeds, and with bytes at random.
const TRIES: u32 = 300;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    files(&fuzz().join("seeds").join(name)).iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A change of some bytes of a seed.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Again(Index, Index),
    End(Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            any::<(Index, u8)>().prop_map(|(at, byte)| Self::Put(at, byte)),
            (any::<Index>(), vec(any::<u8>(), 1..5)).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            any::<(Index, Index)>().prop_map(|(from, to)| Self::Cut(from, to)),
            any::<(Index, Index)>().prop_map(|(from, to)| Self::Again(from, to)),
            any::<Index>().prop_map(Self::End),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |index: &Index| index.index(bytes.len() + 1);
        let range = |one, other| place(one).min(place(other))..place(one).max(place(other));
        match self {
            Self::Put(at, byte) => {
                let at = place(at);
                bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
            }
            Self::Insert(at, more) => {
                let at = place(at);
                bytes.splice(at..at, more.clone());
            }
            Self::Cut(from, to) => drop(bytes.drain(range(from, to))),
            Self::Again(from, to) => bytes.extend_from_within(range(from, to)),
            Self::End(at) => bytes.truncate(place(at)),
        }
    }
}

fn holds(name: &str) {
    let (_, law) = ALL.into_iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    law(&[]);
    seeds.iter().for_each(|seed| law(seed));
    let config = Config { cases: TRIES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let changed = (any::<Index>(), vec(Change::any(), 1..6)).prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    });
    let run = |bytes: Vec<u8>| {
        law(&bytes);
        Ok(())
    };
    runner.run(&changed, run).unwrap();
    runner.run(&vec(any::<u8>(), 0..600), run).unwrap();
}

macro_rules! each_holds {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })+

        #[test]
        fn every_law_is_tried() {
            assert_eq!([$(stringify!($name)),+], ALL.map(|(name, _)| name));
        }
    };
}
each_holds! {
    codec command connection_file content greeting handshake header journal kernelspec magic message registry
    requirements
}

#[test]
fn every_law_has_its_target_and_its_seeds() {
    let names = |folder: &str| -> BTreeSet<String> {
        let stem = |file: PathBuf| file.file_stem().unwrap().to_string_lossy().into_owned();
        files(&fuzz().join(folder)).into_iter().map(stem).collect()
    };
    let laws: BTreeSet<String> = ALL.map(|(name, _)| name.to_owned()).into();
    assert_eq!((names("targets"), names("seeds")), (laws.clone(), laws));
    let manifest: toml::Table = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap().parse().unwrap();
    let binaries = manifest["bin"].as_array().unwrap();
    assert_eq!(binaries.len(), ALL.len());
    for (name, _) in ALL {
        let path = format!("targets/{name}.rs");
        let is_its = |binary: &&toml::Value| binary["name"].as_str() == Some(name);
        assert_eq!(binaries.iter().find(is_its).unwrap()["path"].as_str(), Some(&*path));
        let target = fs::read_to_string(fuzz().join(path)).unwrap();
        assert!(target.contains(&format!("jupyter_fleet::laws::{name}(bytes)")), "{name}");
        assert!(!seeds(name).is_empty(), "{name} has no seeds");
    }
}
