//! What is wrong with a set of edges between rooms.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// One room names another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Who names.
    pub from: String,
    /// Who is named.
    pub to: String,
    /// The file and line.
    pub place: String,
}

impl Edge {
    pub fn new(from: &str, to: &str, file: &Path, line: usize) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), place: format!("{}:{line}", file.display()) }
    }
}

/// What is wrong, one line each, with the place first.
pub fn faults(edges: &[Edge], layers: &[&[&str]], sideways: &[(&str, &str, &str)]) -> Vec<String> {
    let layer = |room: &str| layers.iter().position(|rooms| rooms.contains(&room));
    let listed = |edge: &Edge| sideways.iter().any(|(from, to, _)| *from == edge.from && *to == edge.to);
    let mut faults = Vec::new();
    for edge in edges {
        let Edge { from, to, place } = edge;
        match (layer(from), layer(to)) {
            (None, _) => faults.push(format!("{place}: the room {from} is in no layer")),
            (_, None) => faults.push(format!("{place}: {from} names {to}, which is in no layer")),
            _ if from == to => {}
            (Some(high), Some(low)) if high > low => {}
            (Some(one), Some(other)) if one == other && listed(edge) => {}
            (Some(one), Some(other)) if one == other => {
                faults.push(format!("{place}: {from} imports sideways from {to}"));
            }
            _ => faults.push(format!("{place}: {from} imports upwards from {to}")),
        }
    }
    faults.extend(cycle(edges).map(|rooms| format!("a cycle among rooms: {}", rooms.join(" -> "))));
    faults
}

fn cycle(edges: &[Edge]) -> Option<Vec<String>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.from != edge.to) {
        below.entry(&edge.from).or_default().insert(&edge.to);
    }
    below.keys().find_map(|room| way_back(room, &mut vec![room], &mut BTreeSet::new(), &below))
}

fn way_back<'a>(
    home: &str,
    way: &mut Vec<&'a str>,
    seen: &mut BTreeSet<&'a str>,
    below: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> Option<Vec<String>> {
    for next in below.get(way.last()?).into_iter().flatten() {
        if *next == home {
            return Some(way.iter().chain([next]).map(|room| (*room).to_owned()).collect());
        }
        if seen.insert(next) {
            way.push(next);
            let found = way_back(home, way, seen, below);
            if found.is_some() {
                return found;
            }
            way.pop();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: [&[&str]; 2] = [&["ground", "soil"], &["roof", "tower"]];

    fn check(edges: &[(&str, &str)], sideways: &[(&str, &str, &str)]) -> Vec<String> {
        let edge = |(from, to): &(&str, &str)| Edge::new(from, to, Path::new("src/x.rs"), 7);
        faults(&edges.iter().map(edge).collect::<Vec<_>>(), &LAYERS, sideways)
    }

    #[test]
    fn downwards_and_within_a_room_is_right() {
        assert_eq!(check(&[("roof", "ground"), ("tower", "soil"), ("roof", "roof")], &[]), [""; 0]);
    }

    #[test]
    fn upwards_is_wrong() {
        assert_eq!(check(&[("ground", "roof")], &[]), ["src/x.rs:7: ground imports upwards from roof"]);
    }

    #[test]
    fn sideways_is_wrong_unless_it_is_listed_and_then_one_way_only() {
        let listed = [("roof", "tower", "a reason")];
        assert_eq!(check(&[("roof", "tower")], &[]), ["src/x.rs:7: roof imports sideways from tower"]);
        assert_eq!(check(&[("roof", "tower")], &listed), [""; 0]);
        assert_eq!(check(&[("tower", "roof")], &listed), ["src/x.rs:7: tower imports sideways from roof"]);
    }

    #[test]
    fn rooms_that_are_in_no_layer_are_wrong() {
        assert_eq!(check(&[("attic", "roof")], &[]), ["src/x.rs:7: the room attic is in no layer"]);
        assert_eq!(check(&[("roof", "*")], &[]), ["src/x.rs:7: roof names *, which is in no layer"]);
    }

    #[test]
    fn a_cycle_is_wrong_even_where_each_edge_is_listed() {
        let listed = [("roof", "tower", "a reason"), ("tower", "roof", "another")];
        let found = check(&[("roof", "tower"), ("tower", "roof")], &listed);
        assert_eq!(found, ["a cycle among rooms: roof -> tower -> roof"]);
    }
}
