//! Which file of a room imports which: the graph, and a search for a cycle in it.
//!
//! A cycle means that no file on it can be understood alone. An import is any path that starts with
//! `crate`, `super`, `self` or a child module, in a `use` or in the code, unit tests left out. A
//! name that a `pub use` passes on counts as imported from the file that defines it; the `pub use`
//! itself imports nothing. So a `mod.rs` may import its children or be imported by them, not both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Files by name, each with the names of those it imports.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// A module path from the crate's root: `src/hub/queue.rs` is `["hub", "queue"]`.
type Segments = Vec<String>;

/// One file, as far as it imports.
struct Module {
    file: String,
    /// Paths that it imports, from the crate's root.
    imports: Vec<Segments>,
    /// Names that a `pub use` passes on, with the path each stands for.
    exports: BTreeMap<String, Segments>,
}

/// Returns the imports between the `files`, given as (name, text). Names are relative to `src`:
/// `hub/mod.rs`.
pub(crate) fn graph<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Graph {
    let modules: BTreeMap<Segments, Module> = files
        .into_iter()
        .map(|(file, text)| (module_path(file), Module::new(file, text)))
        .collect();
    let mut graph = Graph::new();
    for module in modules.values() {
        let imported = module
            .imports
            .iter()
            .filter_map(|path| defining(&modules, path));
        let imported = imported
            .filter(|file| *file != module.file)
            .map(str::to_owned);
        graph.insert(module.file.clone(), imported.collect());
    }
    graph
}

/// Returns the imports between the files of the room `src/ROOM`.
pub(crate) fn graph_of_room(source: &Path, room: &str) -> Graph {
    let read = |path: &Path| {
        let name = path.strip_prefix(source).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    let files: Vec<(String, String)> = super::code_files(&source.join(room))
        .iter()
        .map(|path| read(path))
        .collect();
    graph(files.iter().map(|(name, text)| (&**name, &**text)))
}

/// Returns the files of one cycle, from a file back to itself, if there is any.
pub(crate) fn cycle(graph: &Graph) -> Option<Vec<&str>> {
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|file| search(graph, file, &mut Vec::new(), &mut done))
}

/// Follows imports depth first. `path` leads to `file`; a file on it that is reached again closes a
/// cycle.
fn search<'a>(
    graph: &'a Graph,
    file: &'a str,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = path.iter().position(|seen| *seen == file) {
        return Some([&path[start..], &[file]].concat());
    }
    if done.contains(file) {
        return None;
    }
    path.push(file);
    let found = graph.get(file).and_then(|imported| {
        imported
            .iter()
            .find_map(|next| search(graph, next, path, done))
    });
    path.pop();
    done.insert(file);
    found
}

/// Returns the file that defines what `path` names: the longest prefix that is a module, unless
/// that module only passes the next name on.
fn defining<'a>(modules: &'a BTreeMap<Segments, Module>, path: &[String]) -> Option<&'a str> {
    let length = (1..=path.len())
        .rev()
        .find(|&length| modules.contains_key(&path[..length]))?;
    let module = &modules[&path[..length]];
    match path.get(length).and_then(|name| module.exports.get(name)) {
        // A name that is passed on under itself would never end.
        Some(target) if target != path => defining(modules, target),
        _ => Some(&module.file),
    }
}

fn module_path(file: &str) -> Segments {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

impl Module {
    fn new(file: &str, text: &str) -> Self {
        let tokens = tokens(text);
        let at = |index: usize| tokens.get(index).copied().unwrap_or_default();
        let declared = |index: &usize| at(*index) == "mod" && matches!(at(index + 2), ";");
        let children: BTreeSet<&str> = (0..tokens.len())
            .filter(declared)
            .map(|index| at(index + 1))
            .collect();
        let own = module_path(file);
        let mut module = Self {
            file: file.to_owned(),
            imports: Vec::new(),
            exports: BTreeMap::new(),
        };
        let mut index = 0;
        while index < tokens.len() {
            let before = index.checked_sub(1).map_or("", at);
            // `pub(in crate::a)` says how far a name is seen, and imports nothing.
            let is_visibility = before == "in" && index >= 2 && at(index - 2) == "(";
            let is_path =
                at(index + 1) == "::" && before != "::" && before != "." && !is_visibility;
            let starts = at(index) == "use" || is_path;
            if !starts {
                index += 1;
                continue;
            }
            let is_use = at(index) == "use";
            let is_public = is_use && (before == "pub" || before == ")");
            index += usize::from(is_use);
            for (name, path) in use_tree(&tokens, &mut index, &Vec::new()) {
                let Some(path) = absolute(&own, &children, path) else {
                    continue;
                };
                if is_public {
                    drop(module.exports.insert(name, path))
                } else {
                    module.imports.push(path)
                }
            }
        }
        module
    }
}

/// Reads one tree of a `use`, or a path, from `index` on. Returns its leaves: the name each is
/// known by, and its path.
fn use_tree(tokens: &[&str], index: &mut usize, prefix: &Segments) -> Vec<(String, Segments)> {
    let at = |index: usize| tokens.get(index).copied().unwrap_or_default();
    let mut path = prefix.clone();
    loop {
        match at(*index) {
            "{" => {
                let mut leaves = Vec::new();
                *index += 1;
                while !matches!(at(*index), "}" | "") {
                    leaves.extend(use_tree(tokens, index, &path));
                    *index += usize::from(at(*index) == ",");
                }
                *index += 1;
                return leaves;
            }
            // `self` within braces is the module itself.
            "self" if !path.is_empty() => {}
            segment => path.push(segment.to_owned()),
        }
        *index += 1;
        if at(*index) != "::" {
            break;
        }
        *index += 1;
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if at(*index) == "as" {
        name = at(*index + 1).to_owned();
        *index += 2;
    }
    vec![(name, path)]
}

/// Returns `path` from the crate's root, or `None` if it does not name a module of ours.
fn absolute(own: &Segments, children: &BTreeSet<&str>, path: Segments) -> Option<Segments> {
    let mut base = match path[0].as_str() {
        "crate" => Vec::new(),
        "self" | "super" => own.clone(),
        child if children.contains(child) => return Some([own.clone(), path].concat()),
        _ => return None,
    };
    let ups = path
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    base.truncate(base.len().saturating_sub(ups));
    base.extend(path.into_iter().skip(ups.max(1)));
    Some(base)
}

/// Returns `text` up to its unit tests, which stand last in a file.
pub(crate) fn without_unit_tests(text: &str) -> &str {
    text.split("\nmod tests {").next().unwrap_or_default()
}

/// Returns the identifiers and marks of the code, without comments and unit tests.
fn tokens(text: &str) -> Vec<&str> {
    let lines = without_unit_tests(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut tokens = Vec::new();
    for mut rest in lines {
        while let Some(first) = rest.chars().next() {
            let is_word = |character: char| character.is_alphanumeric() || character == '_';
            let length = match first {
                _ if is_word(first) => rest
                    .find(|character| !is_word(character))
                    .unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            if !token.trim().is_empty() {
                tokens.push(token);
            }
            rest = after;
        }
    }
    tokens
}

#[test]
fn cycle_is_found_through_braces_paths_and_re_exports() {
    let sound = [
        ("a/mod.rs", "mod b;\nmod c;\npub use b::Bee;"),
        (
            "a/b.rs",
            "use std::fmt;\npub(in crate::a::c) struct Bee;\n#[cfg(test)]\nmod tests {\n    use super::super::c;\n}",
        ),
        ("a/c.rs", "// use super::c::See;\nuse super::Bee;"),
    ];
    let with = |file: &'static str, text: &'static str| {
        let files = sound.map(|(name, before)| (name, if name == file { text } else { before }));
        graph(files)
    };
    assert_eq!(cycle(&graph(sound)), None);
    assert_eq!(
        graph(sound)["a/c.rs"],
        BTreeSet::from(["a/b.rs".to_owned()]),
        "a re-export is resolved"
    );
    for back in [
        "use super::c::See;",
        "use crate::{a::{c::{self, See}}, other::Thing};",
        "fn f() { let x = super::c::see(); }",
        "use super::c as other;",
    ] {
        assert_eq!(
            cycle(&with("a/b.rs", back)),
            Some(vec!["a/b.rs", "a/c.rs", "a/b.rs"]),
            "{back}"
        );
    }
    let parent = with(
        "a/mod.rs",
        "mod b;\nmod c;\npub struct Bee;\nfn f() { c::see() }",
    );
    assert_eq!(cycle(&parent), Some(vec!["a/c.rs", "a/mod.rs", "a/c.rs"]));
}
