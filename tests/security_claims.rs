//! SECURITY.md is true as far as a test can tell: each claim names tests, these exist, and the limits are those in force.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::{collections::BTreeMap, fs, path::Path};

use jupyter_fleet::limits::Limits;

const TEXT: &str = include_str!("../SECURITY.md");
const REPORT: &str = "## Report a vulnerability";

/// The claims: list items, and rows of tables outside of that of the limits.
fn claims() -> Vec<String> {
    let claims = TEXT.split(REPORT).next().unwrap();
    let mut items: Vec<String> = Vec::new();
    for line in claims.lines() {
        match line {
            _ if line.starts_with("- ") => items.push(line.to_owned()),
            _ if line.starts_with("| ") && !is_heading(line) && limit(line).is_none() => {
                items.push(line.to_owned())
            }
            _ if line.starts_with("  ") => items.last_mut().unwrap().push_str(line),
            _ => {}
        }
    }
    items
}

fn is_heading(row: &str) -> bool {
    ["| who has |", "| limit |"].iter().any(|heading| row.starts_with(heading))
}

/// The tests that a claim names: `file::test`.
fn tests_of(claim: &str) -> Vec<(&str, &str)> {
    claim.split('`').filter_map(|quoted| quoted.split_once("::")).collect()
}

/// Name and value of a row of the table of limits.
fn limit(row: &str) -> Option<(&str, u64)> {
    let (name, rest) = row.strip_prefix("| `")?.split_once("` | ")?;
    Some((name, number(rest.split_once(" | ")?.0)?))
}

/// `512 MiB`, `5 s`, `16,384`: in bytes, milliseconds, or as it is.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let units = [
        ("", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("ms", 1),
        ("s", 1000),
        ("h", 3_600_000),
    ];
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(digits.replace(',', "").parse::<u64>().ok()? * factor)
}

#[test]
fn every_claim_names_its_tests() {
    let claims = claims();
    assert!(claims.len() > 40, "claims are not found");
    let bare: Vec<_> = claims.iter().filter(|claim| tests_of(claim).is_empty()).collect();
    assert!(bare.is_empty(), "claims without a test: {bare:#?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let missing = |(file, test): &(&str, &str)| {
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        let is_test = |word: &str| {
            source.contains(&format!("{word} {test}(")) || source.contains(&format!("{word} {test}<"))
        };
        !(is_test("fn") || is_test("def"))
    };
    let missing: Vec<_> = tests_of(TEXT).into_iter().filter(missing).collect();
    assert!(missing.is_empty(), "SECURITY.md names tests that are not there: {missing:#?}");
}

#[test]
fn the_limits_are_those_in_force() {
    let said: BTreeMap<&str, u64> = TEXT.lines().filter_map(limit).collect();
    let serde_json::Value::Object(real) = serde_json::to_value(Limits::default()).unwrap() else {
        panic!("limits are an object");
    };
    let real: BTreeMap<&str, u64> =
        real.iter().map(|(name, value)| (name.as_str(), value.as_u64().unwrap())).collect();
    assert_eq!(said, real);
}
