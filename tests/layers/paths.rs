//! Which rooms a source text names: by `crate::…`, by the crate's own name, and by `super::…` that leaves the room.

use super::tokens::{Token, tokens};

/// A room that is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The first part of the path; `*` is all rooms at once.
    pub room: String,
    /// The line of that part.
    pub line: usize,
}

/// The rooms that a text names that stands in this module.
pub fn rooms_named(source: &str, module: &[String]) -> Vec<Named> {
    let mut scan = Scan {
        tokens: tokens(source),
        at: 0,
        module: module.to_vec(),
        braces: Vec::new(),
        named: Vec::new(),
    };
    while scan.at < scan.tokens.len() {
        scan.step();
    }
    scan.named
}

struct Scan<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    module: Vec<String>,
    /// For each open brace, whether it is an inline module's.
    braces: Vec<bool>,
    named: Vec<Named>,
}

impl<'a> Scan<'a> {
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn step(&mut self) {
        match self.text(0) {
            "mod" if self.text(2) == "{" => {
                self.module.push(self.text(1).to_owned());
                self.braces.push(true);
                self.at += 3;
            }
            "{" => {
                self.braces.push(false);
                self.at += 1;
            }
            "}" => {
                if self.braces.pop() == Some(true) {
                    self.module.pop();
                }
                self.at += 1;
            }
            "crate" | "super" | "self" | "jupyter_fleet" if !self.is_inside_a_path() => {
                let here = self.module.clone();
                self.path(here);
            }
            _ => self.at += 1,
        }
    }

    fn is_inside_a_path(&self) -> bool {
        self.at.checked_sub(1).is_some_and(|before| self.tokens[before].text == "::")
    }

    /// A path, or a tree of paths, from a module on.
    fn path(&mut self, mut from: Vec<String>) {
        loop {
            let line = self.tokens.get(self.at).map_or(0, |token| token.line);
            let part = self.text(0);
            self.at += 1;
            match part {
                "crate" | "jupyter_fleet" => from.clear(),
                "super" => drop(from.pop()),
                "self" => {}
                "{" => return self.group(&from),
                "*" if from.is_empty() => self.name("*", line),
                word if from.is_empty() => self.name(word, line),
                _ => {}
            }
            if from.is_empty() && self.text(0) == "as" {
                self.name("*", line);
            }
            if !matches!(part, "crate" | "jupyter_fleet" | "super" | "self") {
                from.push(part.to_owned());
            }
            if self.text(0) != "::" || self.text(1) == "<" {
                return;
            }
            self.at += 1;
        }
    }

    /// The paths between braces, after the first of them.
    fn group(&mut self, from: &[String]) {
        while !matches!(self.text(0), "}" | "") {
            self.path(from.to_vec());
            if self.text(0) == "as" {
                self.at += 2;
            }
            if self.text(0) == "," {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn name(&mut self, room: &str, line: usize) {
        self.named.push(Named { room: room.to_owned(), line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str, module: &str) -> Vec<(String, usize)> {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        rooms_named(source, &module).into_iter().map(|named| (named.room, named.line)).collect()
    }

    fn names(source: &str) -> Vec<String> {
        named(source, "a::b").into_iter().map(|(room, _)| room).collect()
    }

    #[test]
    fn imports_are_seen_in_every_form() {
        assert_eq!(names("use crate::net;"), ["net"]);
        assert_eq!(names("pub use crate::net::{Peer, peer::{One, Two}};"), ["net"]);
        assert_eq!(
            names("use crate::{net::{Peer, self}, zmtp::Codec as Other, id::*,};"),
            ["net", "zmtp", "id"]
        );
        assert_eq!(names("use jupyter_fleet::{app, cli::{self, Cli}};"), ["app", "cli"]);
        assert_eq!(names("pub(crate) use crate::r#net;"), ["r"], "no room has such a name");
    }

    #[test]
    fn imports_over_several_lines_are_seen_where_they_stand() {
        let source =
            "use crate::{\n    id::{\n        A,\n        B,\n    },\n    // net::C,\n    zmtp::D,\n};";
        assert_eq!(named(source, "a"), [("id".to_owned(), 2), ("zmtp".to_owned(), 7)]);
    }

    #[test]
    fn paths_in_code_are_seen() {
        let source =
            "fn f(x: &crate::id::Id) -> Vec<crate::net::Peer> { crate::zmtp::read::<u8>(\"crate::no\") }";
        assert_eq!(names(source), ["id", "net", "zmtp"]);
        assert_eq!(names("macro_rules! m { () => { $crate::net::x() } }"), ["net"]);
    }

    #[test]
    fn whatever_could_name_any_room_is_seen_as_all() {
        assert_eq!(names("use crate::*;"), ["*"]);
        assert_eq!(names("use crate as all;"), ["*"]);
        assert_eq!(names("use super::super::{self as all};"), ["*"]);
    }

    #[test]
    fn super_is_followed_out_of_the_room_also_from_inline_modules() {
        assert_eq!(names("use super::c;"), [""; 0], "still at home");
        assert_eq!(names("use super::super::net;"), ["net"]);
        assert_eq!(names("use super::{c, super::{net, zmtp}};"), ["net", "zmtp"]);
        assert_eq!(names("mod tests { use super::super::super::net; } use super::super::id;"), ["net", "id"]);
        assert_eq!(names("mod tests { fn f() { if x {} } use super::super::c; }"), [""; 0]);
    }

    #[test]
    fn what_names_no_room_is_not_seen() {
        assert_eq!(
            names("//! [`crate::net`]\npub(crate) fn f(&self) { self.x(); other::crate_name(); }"),
            [""; 0]
        );
    }
}
