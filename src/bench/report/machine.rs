//! Describes the machine of a measurement.

use std::fs;
use std::path::Path;
use std::thread;

use crate::text::secret::mask_arguments;

/// Returns processor, memory and kernel in one line, as far as they are known.
pub(super) fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let parts = [
        field(&read("/proc/cpuinfo"), "model name").map(str::to_owned),
        Some(format!("{cores} core{}", if cores == 1 { "" } else { "s" })),
        field(&read("/proc/meminfo"), "MemTotal").and_then(gibibytes),
        Some(format!(
            "Linux {}",
            read("/proc/sys/kernel/osrelease").trim()
        )),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns a command line that can be pasted into a shell, without the path of the program and with
/// masked credentials.
pub(super) fn command_line(arguments: Vec<String>) -> String {
    let mut words: Vec<String> = mask_arguments(&arguments)
        .iter()
        .map(|argument| quote(argument))
        .collect();
    if let Some(program) = words.first_mut() {
        let name = Path::new(&*program)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        *program = name.unwrap_or_default();
    }
    words.join(" ")
}

fn quote(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=+@%".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Returns the value of the first line `NAME : VALUE`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values
        .filter(|(found, _)| found.trim() == name)
        .map(|(_, value)| value.trim())
        .next()
}

fn gibibytes(kibibytes: &str) -> Option<String> {
    let kibibytes: f64 = kibibytes.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.1} GiB", kibibytes / (1024.0 * 1024.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_quoted_for_a_shell() {
        let typed = [
            "/usr/bin/framecast",
            "bench",
            "http://a:b@c/?action=stream&x=y",
            "--ramp",
            "1,2",
            "it's",
            "",
        ];
        let line = command_line(typed.map(str::to_owned).to_vec());
        assert_eq!(
            line,
            r"framecast bench 'http://***@c/?action=stream&x=***' --ramp 1,2 'it'\''s' ''"
        );
        assert_eq!(command_line(Vec::new()), "");
    }

    #[test]
    fn field_is_found_by_its_whole_name() {
        let text = "model\t\t: 7\nmodel name\t: Some CPU @ 2 GHz\nMemTotal:  2097152 kB\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2 GHz"));
        assert_eq!(
            field(text, "MemTotal").and_then(gibibytes),
            Some("2.0 GiB".to_owned())
        );
        assert_eq!(field(text, "name"), None);
    }
}
