//! Hints for options, commands and variables that are misspelled or belong to another program.

use std::env;
use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::{Serve, given};
use crate::drivers::{Source, SourceError};

/// The prefix of all variables of framecast.
const PREFIX: &str = "FRAMECAST_";

/// Variables without an option. The old process of a restart sets this one for the new process.
const INTERNAL: [&str; 1] = ["FRAMECAST_OLD_PROCESS"];

/// The least similarity at which a name is suggested, from 0 to 1 (Jaro-Winkler).
const SIMILARITY_MIN: f64 = 0.85;

/// Options of other programs, and a hint for each.
const OPTION_HINTS: [(&[&str], &str); 11] = [
    (
        &[
            "--port",
            "-p",
            "--http-port",
            "--https-port",
            "--listen-port",
        ],
        "the port is part of the address: --listen 8080, or --listen 0.0.0.0:8080 to serve other devices",
    ),
    (
        &[
            "--host",
            "--bind",
            "--address",
            "--addr",
            "--ip",
            "--interface",
            "-b",
            "-a",
            "-H",
            "-s",
        ],
        "the address includes the port: --listen 0.0.0.0:8080",
    ),
    (
        &["--output", "-o"],
        "streams are served at --listen ADDRESS; \"framecast capture\" writes to standard output",
    ),
    (
        &["--www", "--static", "--web", "--htdocs"],
        "framecast serves no files; embed /stream in the pages of another web server",
    ),
    (
        &["--debug", "--log-level", "--loglevel", "--log", "--trace"],
        "-v logs more, -vv everything, -q less; RUST_LOG overrides these options",
    ),
    (
        &[
            "--device", "--source", "--input", "--url", "--video", "--stream", "--cam", "-d", "-i",
        ],
        "use --camera SOURCE, as in --camera /dev/video0",
    ),
    (
        &[
            "--resolution",
            "--size",
            "--width",
            "--height",
            "--fps",
            "--desired-fps",
            "--framerate",
            "--rate",
            "--quality",
            "--format",
            "--input-format",
            "--rotate",
            "--rotation",
            "-r",
            "-f",
            "-w",
            "-m",
        ],
        "a camera's settings are part of its source: --camera '/dev/video0?size=1280x720&fps=30'",
    ),
    (
        &[
            "--user",
            "--username",
            "--password",
            "--passwd",
            "--pass",
            "--auth",
            "--credentials",
            "-u",
        ],
        "use --auth-file FILE, a file of lines user:password",
    ),
    (
        &[
            "--ssl",
            "--tls",
            "--cert",
            "--ssl-cert",
            "--certificate",
            "--key",
            "--ssl-key",
        ],
        "use --tls-cert FILE --tls-key FILE",
    ),
    (
        &["--config", "--conf", "--config-file", "-C"],
        "there is no configuration file; every option has a variable, see --help",
    ),
    (
        &["--daemon", "--background", "--detach", "--fork", "-D"],
        "a service manager runs framecast in the background: \"framecast --generate systemd\" prints a unit",
    ),
];

/// Names of variables that do not exist, and the variables to use instead.
const VARIABLE_HINTS: [(&[&str], &str); 5] = [
    (&["PORT", "HOST", "BIND", "ADDRESS", "ADDR", "IP"], "LISTEN"),
    (
        &[
            "SOURCE", "DEVICE", "INPUT", "URL", "VIDEO", "CAMERAS", "STREAM",
        ],
        "CAMERA",
    ),
    (&["TARGET", "REDIS"], "PUBLISH"),
    (
        &[
            "USER",
            "USERS",
            "USERNAME",
            "PASSWORD",
            "PASSWD",
            "HTPASSWD",
            "CREDENTIALS",
        ],
        "AUTH_FILE",
    ),
    (&["CERT", "CERTIFICATE", "SSL_CERT"], "TLS_CERT"),
];

/// Removes the variables that are empty from `command`: an empty variable counts as unset.
pub(super) fn without_blank_variables(command: Command) -> Command {
    let unset = |arg: Arg| {
        let value = arg.get_env().and_then(env::var_os);
        let is_blank = value.is_some_and(|value| given::is_blank(&arg, &value));
        if is_blank {
            arg.env(None::<&'static str>)
        } else {
            arg
        }
    };
    command
        .mut_args(unset)
        .mut_subcommands(without_blank_variables)
}

/// Adds a hint to an error about an option of another program.
pub(super) fn add_hint(mut error: Error) -> Error {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let given = given.split('=').next().unwrap_or_default();
    let hint = OPTION_HINTS
        .iter()
        .find(|(names, _)| names.contains(&given))
        .map(|(_, hint)| *hint);
    if let (ErrorKind::UnknownArgument, Some(hint)) = (error.kind(), hint) {
        error.remove(ContextKind::SuggestedArg);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![hint.into()]),
        );
    }
    error
}

/// Rejects positional arguments that are neither sources nor similar to one, such as a misspelled
/// command. Clap would do this if there were no positional arguments.
pub(super) fn check_positionals(serve: &Serve, command: &Command) -> Result<(), Error> {
    for text in serve.positionals() {
        let unexpected = |remedy: &str| {
            let message = format!("unexpected argument '{text}' found; {remedy}\n");
            Err(Error::raw(ErrorKind::UnknownArgument, message).with_cmd(command))
        };
        if ["true", "false", "yes", "no", "on", "off"].contains(&text) {
            return unexpected("write the value behind an equals sign, as in --always-on=true");
        }
        if command.find_subcommand(text).is_some() {
            return unexpected(&format!("write the command first: framecast {text}"));
        }
        if matches!(text.parse::<Source>(), Err(SourceError::Unknown(unknown)) if unknown.is_word())
        {
            return Err(unknown_command(text, command));
        }
    }
    Ok(())
}

fn unknown_command(word: &str, command: &Command) -> Error {
    let mut error = Error::new(ErrorKind::InvalidSubcommand).with_cmd(command);
    error.insert(
        ContextKind::InvalidSubcommand,
        ContextValue::String(word.to_owned()),
    );
    let known = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name);
    if let Some(suggestion) = most_similar(word, known) {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(vec![suggestion.to_owned()]),
        );
    } else {
        let tip = "a source looks like /dev/video0 or http://HOST/PATH; \"framecast --help\" lists commands";
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// Returns a warning for each variable with the prefix of framecast that belongs to no option.
pub(super) fn unknown_variables(command: &Command) -> Vec<String> {
    let known = variables(command);
    let is_known = |name: &str| INTERNAL.contains(&name) || known.iter().any(|known| known == name);
    let mut warnings: Vec<String> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| {
            name.starts_with(PREFIX) && !is_known(name) && !is_service_link(name, value)
        })
        .map(|(name, _)| {
            let short_name = &name[PREFIX.len()..];
            let hint = VARIABLE_HINTS
                .iter()
                .find(|(names, _)| names.contains(&short_name))
                .map(|(_, hint)| format!("{PREFIX}{hint}"));
            let similar = || most_similar(&name, known.iter().map(String::as_str));
            match hint.or_else(|| similar().map(str::to_owned)) {
                Some(hint) => format!("{name}: unknown variable, ignored; did you mean {hint}?"),
                None => format!(
                    "{name}: unknown variable, ignored; \"framecast --help\" lists the variables"
                ),
            }
        })
        .collect();
    warnings.sort();
    warnings
}

/// Returns the variables of a command and its subcommands.
fn variables(command: &Command) -> Vec<String> {
    let own = command
        .get_arguments()
        .filter_map(Arg::get_env)
        .map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(variables))
        .collect()
}

/// Whether Kubernetes or Docker set this variable. They set `NAME_PORT=tcp://...`,
/// `NAME_SERVICE_HOST` and similar ones for each service, which may be called framecast.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let is_address = value
        .to_str()
        .is_some_and(|value| value.starts_with("tcp://") || value.starts_with("udp://"));
    let has_port = name
        .split("_PORT_")
        .nth(1)
        .is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || is_address && name.ends_with("_PORT")
        || has_port
}

/// Returns the name in `known` that is most similar to `word`, if any is similar enough. Hyphens,
/// underscores and the prefix do not count.
pub(super) fn most_similar<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let similarity = |name: &str| {
        // Jaro-Winkler gives a common prefix much weight.
        let [name, word] =
            [name, word].map(|text| plain(text.strip_prefix(PREFIX).unwrap_or(text)));
        strsim::jaro_winkler(&name, &word)
    };
    let best = known
        .map(|name| (similarity(name), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::options::Options;

    #[test]
    fn misspelled_variable_suggests_the_similar_one() {
        let known = variables(&Options::command());
        let suggestion =
            |name: &str| most_similar(name, known.iter().map(String::as_str)).map(str::to_owned);
        for (name, expected) in [
            ("FRAMECAST_AUTHFILE", "FRAMECAST_AUTH_FILE"),
            ("FRAMECAST_LISTN", "FRAMECAST_LISTEN"),
            ("FRAMECAST_CAMERAS", "FRAMECAST_CAMERA"),
            ("FRAMECAST_TOKENFILE", "FRAMECAST_TOKEN_FILE"),
            ("FRAMECAST_ALWAYSON", "FRAMECAST_ALWAYS_ON"),
        ] {
            assert_eq!(suggestion(name).as_deref(), Some(expected));
        }
        assert_eq!(suggestion("FRAMECAST_QUIRKS"), None);
    }

    #[test]
    fn service_links_are_not_options() {
        let is_link = |name: &str, value: &str| is_service_link(name, OsStr::new(value));
        assert!(is_link("FRAMECAST_PORT", "tcp://10.0.0.1:80"));
        assert!(is_link("FRAMECAST_PORT_80_TCP_ADDR", "10.0.0.1"));
        assert!(is_link("FRAMECAST_SERVICE_HOST", "10.0.0.1"));
        assert!(is_link("FRAMECAST_CAM_SERVICE_PORT_HTTP", "80"));
        assert!(!is_link("FRAMECAST_PORT", "8080"));
        assert!(!is_link("FRAMECAST_LISTEN", "tcp://10.0.0.1:80"));
    }
}
