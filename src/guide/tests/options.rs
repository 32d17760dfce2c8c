//! The table of options: as the command line has them.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::{quoted, table_rows};
use crate::options::Options;

/// An option's default and variable.
type Facts = (String, String);

/// Returns the visible options of a command; for a subcommand, without those of all commands.
fn defined(command: &Command, has_globals: bool) -> BTreeMap<String, Facts> {
    let is_listed = |arg: &&Arg| {
        !arg.is_hide_set()
            && !["help", "version"].contains(&arg.get_id().as_str())
            && (has_globals || !arg.is_global_set())
    };
    let facts = |arg: &Arg| {
        let default: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let is_switch = default == ["false"] || matches!(arg.get_action(), ArgAction::Count);
        let default = if is_switch {
            "off".to_owned()
        } else {
            default.join(",")
        };
        let variable = arg
            .get_env()
            .map(|name| name.to_string_lossy().into_owned());
        let name = format!("--{}", arg.get_long()?);
        Some((name, (default, variable.unwrap_or_default())))
    };
    let listed = command.get_arguments().filter(is_listed);
    listed.filter_map(facts).collect()
}

/// Returns the options that the page lists in sections for which `is_wanted` is true.
fn documented(is_wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Facts> {
    let rows = table_rows("options")
        .into_iter()
        .filter(|(heading, cells)| is_wanted(heading) && cells[0].starts_with("`--"));
    let facts = |(_, cells): (&str, Vec<&str>)| {
        let option = quoted(cells[0]).next().unwrap();
        let name = option.split(' ').next().unwrap().to_owned();
        let default = match cells[1] {
            "off" => "off",
            // Words explain the absence of a default.
            cell => quoted(cell).next().unwrap_or_default(),
        };
        let variable = quoted(cells[2]).next().unwrap_or_default();
        (name, (default.to_owned(), variable.to_owned()))
    };
    rows.map(facts).collect()
}

#[test]
fn options_page_lists_each_option_with_its_default_and_variable() {
    let mut command = Options::command();
    command.build();
    assert_eq!(
        documented(|heading| !heading.starts_with('`')),
        defined(&command, true)
    );
    for subcommand in command.get_subcommands() {
        let name = subcommand.get_name();
        if subcommand.is_hide_set() || ["serve", "help"].contains(&name) {
            continue;
        }
        let section = format!("`framecast {name}");
        let is_section = |heading: &str| {
            let rest = heading.strip_prefix(&section);
            rest.is_some_and(|rest| rest.starts_with(['`', ' ']))
        };
        assert_eq!(
            documented(is_section),
            defined(subcommand, false),
            "framecast {name}"
        );
    }
}
