//! Hints for command lines and environments that were written for another program, or misspelt.

use std::env;
use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::{Serve, given};
use crate::drivers::{Source, SourceError};

/// What every variable of ours begins with.
const PREFIX: &str = "FRAMECAST_";

/// The server that is being replaced passes this one on.
const INTERNAL: [&str; 1] = ["FRAMECAST_OLD_PROCESS"];

/// Two names are meant to be one if they are so alike, from 0 to 1 (Jaro-Winkler).
const LIKENESS_MIN: f64 = 0.85;

/// Options of other programs, and what to write instead.
const OPTIONS: [(&[&str], &str); 11] = [
    (
        &[
            "--port",
            "-p",
            "--http-port",
            "--https-port",
            "--listen-port",
        ],
        "the port is a part of the address: --listen 8080, or --listen 0.0.0.0:8080 for other devices",
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
        "the address is given with its port: --listen 0.0.0.0:8080",
    ),
    (
        &["--output", "-o"],
        "streams are served at --listen, as in --listen 0.0.0.0:8080; framecast capture writes to standard output",
    ),
    (
        &["--www", "--static", "--web", "--htdocs"],
        "framecast serves its own page; another web server serves files, and embeds /stream",
    ),
    (
        &["--debug", "--log-level", "--loglevel", "--log", "--trace"],
        "-v logs more, -vv everything, -q less; RUST_LOG overrides them",
    ),
    (
        &[
            "--device", "--source", "--input", "--url", "--video", "--stream", "--cam", "-d", "-i",
        ],
        "a camera is given as --camera SOURCE, as in --camera /dev/video0",
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
        "what a camera is to do follows its source: --camera '/dev/video0?size=1280x720&fps=30'",
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
        "users and passwords stand in a file: --auth-file FILE, with lines user:password",
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
        "encryption is --tls-cert FILE --tls-key FILE",
    ),
    (
        &["--config", "--conf", "--config-file", "-C"],
        "there is no configuration file: each option can be given as a variable, see --help",
    ),
    (
        &["--daemon", "--background", "--detach", "--fork", "-D"],
        "a service manager keeps it running: \"framecast --generate systemd\" prints a unit",
    ),
];

/// Variables that suggest themselves, and those that are meant.
const VARIABLES: [(&[&str], &str); 5] = [
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

/// Removes variables that hold nothing from `command`: an empty variable is as good as none.
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

/// Adds what to write instead to an error about an option of another program.
pub(super) fn explain(mut error: Error) -> Error {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let given = given.split('=').next().unwrap_or_default();
    let hint = OPTIONS
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

/// Refuses a first word that is neither a command nor anything like a source, as clap would without
/// positional sources.
pub(super) fn check_words(serve: &Serve, command: &Command) -> Result<(), Error> {
    for word in serve.words() {
        if ["true", "false", "yes", "no", "on", "off"].contains(&word) {
            let sentence = format!(
                "unexpected argument '{word}' found; an option such as --always-on takes no value\n"
            );
            return Err(Error::raw(ErrorKind::UnknownArgument, sentence).with_cmd(command));
        }
        if command.find_subcommand(word).is_some() {
            let sentence = format!(
                "unexpected argument '{word}' found; write the command first: framecast {word}\n"
            );
            return Err(Error::raw(ErrorKind::UnknownArgument, sentence).with_cmd(command));
        }
        if matches!(word.parse::<Source>(), Err(SourceError::Unknown(unknown)) if unknown.is_word())
        {
            return Err(unknown_command(word, command));
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
    if let Some(meant) = most_like(word, known) {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(vec![meant.to_owned()]),
        );
    } else {
        let tip = "a source is like /dev/video0 or http://HOST/PATH; framecast alone serves an emulated camera";
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// A warning for each variable of our prefix that has no effect, because no option has its name.
pub(super) fn unknown_variables(command: &Command) -> Vec<String> {
    let known = variables(command);
    let is_known = |name: &str| INTERNAL.contains(&name) || known.iter().any(|known| known == name);
    let set = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let set = set.filter(|(name, value)| name.starts_with(PREFIX) && !is_service_link(name, value));
    let mut warnings: Vec<String> = set
        .filter_map(|(name, _)| {
            let short = &name[PREFIX.len()..];
            let other = VARIABLES.iter().find(|(names, _)| names.contains(&short)).map(|(_, meant)| *meant);
            match (is_known(&name), other) {
                (true, _) => None,
                (false, Some(meant)) => {
                    Some(format!("{name} is ignored: unknown variable; did you mean {PREFIX}{meant}?"))
                }
                (false, None) => Some(match most_like(&name, known.iter().map(String::as_str)) {
                    Some(meant) => format!("{name} is ignored: unknown variable; did you mean {meant}?"),
                    None => format!("{name} is ignored: unknown variable; \"framecast --help\" lists the variables"),
                }),
            }
        })
        .collect();
    warnings.sort();
    warnings
}

/// The variables of a command and of those below it.
fn variables(command: &Command) -> Vec<String> {
    let own = command
        .get_arguments()
        .filter_map(Arg::get_env)
        .map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(variables))
        .collect()
}

/// Whether a variable describes another service: Kubernetes and Docker set `NAME_PORT=tcp://...`,
/// `NAME_SERVICE_HOST` and the like for each service, and one may be called framecast.
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

/// The one of `known` that `word` is most like, whatever its hyphens and underscores, if any is
/// like it.
fn most_like<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let likeness = |name: &str| {
        // A common prefix counts for much, so ours is left out.
        let [name, word] =
            [name, word].map(|text| plain(text.strip_prefix(PREFIX).unwrap_or(text)));
        strsim::jaro_winkler(&name, &word)
    };
    let best = known
        .map(|name| (likeness(name), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::options::Options;

    #[test]
    fn misspelt_names_are_recognised() {
        let known = variables(&Options::command());
        let meant =
            |name: &str| most_like(name, known.iter().map(String::as_str)).map(str::to_owned);
        for (name, expected) in [
            ("FRAMECAST_AUTHFILE", "FRAMECAST_AUTH_FILE"),
            ("FRAMECAST_LISTN", "FRAMECAST_LISTEN"),
            ("FRAMECAST_CAMERAS", "FRAMECAST_CAMERA"),
            ("FRAMECAST_TOKENFILE", "FRAMECAST_TOKEN_FILE"),
            ("FRAMECAST_ALWAYSON", "FRAMECAST_ALWAYS_ON"),
        ] {
            assert_eq!(meant(name).as_deref(), Some(expected));
        }
        assert_eq!(meant("FRAMECAST_QUIRKS"), None);
    }

    #[test]
    fn links_to_other_services_are_no_variables_of_ours() {
        let is_link = |name: &str, value: &str| is_service_link(name, OsStr::new(value));
        assert!(is_link("FRAMECAST_PORT", "tcp://10.0.0.1:80"));
        assert!(is_link("FRAMECAST_PORT_80_TCP_ADDR", "10.0.0.1"));
        assert!(is_link("FRAMECAST_SERVICE_HOST", "10.0.0.1"));
        assert!(is_link("FRAMECAST_CAM_SERVICE_PORT_HTTP", "80"));
        assert!(!is_link("FRAMECAST_PORT", "8080"));
        assert!(!is_link("FRAMECAST_LISTEN", "tcp://10.0.0.1:80"));
    }
}
