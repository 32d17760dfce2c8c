//! The exercises of the guide: each names a fault of the simulation and shows its lines.

use std::collections::BTreeSet;
use std::fs;

const EXERCISES_MIN: usize = 20;

/// Returns the lines that a diff adds and removes, without indentation.
fn changed_lines(diff: &str) -> Vec<String> {
    let changed = diff
        .lines()
        .filter(|line| line.starts_with(['-', '+']))
        .filter(|line| !line.starts_with("--- ") && !line.starts_with("+++ "));
    changed
        .map(|line| format!("{} {}", &line[..1], line[1..].trim()))
        .collect()
}

/// Returns the text between two markers.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?
        .1
        .split_once(end)
        .map(|(inner, _)| inner)
}

/// Checks one exercise. Returns the name of its patch.
fn check(exercise: &str) -> Result<String, String> {
    let name = between(exercise, "NAME=", " SEEDS=").ok_or("expected NAME=... SEEDS=...")?;
    let path = format!("tests/simulation/faults/{name}.patch");
    let patch = fs::read_to_string(super::root().join(&path))
        .map_err(|error| format!("{path}: {error}"))?;
    let (file, function) = between(exercise, "In `", "`:\n")
        .and_then(|place| place.split_once("`, `"))
        .ok_or("expected \"In `FILE`, `TYPE::FUNCTION`:\"")?;
    if !patch.contains(&format!("\n+++ b/{file}\n")) {
        return Err(format!("{path} does not change {file}"));
    }
    let code =
        fs::read_to_string(super::root().join(file)).map_err(|error| format!("{file}: {error}"))?;
    let function = function.rsplit("::").next().unwrap_or_default();
    if !code.contains(&format!("fn {function}(")) {
        return Err(format!("{file} has no function {function}"));
    }
    let shown = between(exercise, "```diff\n", "```").ok_or("expected a block of diff")?;
    if changed_lines(shown) != changed_lines(&patch) {
        return Err(format!("the lines are not those of {path}"));
    }
    if !between(exercise, "```text\n", "```").is_some_and(|output| output.starts_with("seed ")) {
        return Err("expected the output of the simulation".into());
    }
    Ok(name.to_owned())
}

#[test]
fn exercises_show_the_lines_of_existing_faults() {
    let page = fs::read_to_string(super::root().join("src/guide/exercises.md")).unwrap();
    let exercises: Vec<&str> = page.split("\n### ").skip(1).collect();
    assert!(exercises.len() >= EXERCISES_MIN, "{}", exercises.len());
    let mut names = BTreeSet::new();
    let mut faults = Vec::new();
    for exercise in &exercises {
        let title = exercise.lines().next().unwrap_or_default();
        match check(exercise) {
            Ok(name) if names.insert(name.clone()) => {}
            Ok(name) => faults.push(format!("{title}: {name} has two exercises")),
            Err(problem) => faults.push(format!("{title}: {problem}")),
        }
    }
    assert_eq!(faults, Vec::<String>::new(), "src/guide/exercises.md");
}

#[test]
fn exercise_with_a_changed_line_is_found() {
    let page = fs::read_to_string(super::root().join("src/guide/exercises.md")).unwrap();
    let exercise = page.split("\n### ").nth(1).unwrap();
    check(exercise).unwrap();
    let changed = exercise.replacen("\n-", "\n-other ", 1);
    assert!(check(&changed).unwrap_err().contains("not those of"));
    let other = exercise.replacen("NAME=", "NAME=no-", 1);
    assert!(check(&other).is_err());
}
