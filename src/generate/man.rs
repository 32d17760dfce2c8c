//! The manual page: what the command line says of itself, and what it does not.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// framecast(1): one page for all commands.
pub(super) fn page(command: Command) -> Vec<u8> {
    let mut page = Vec::new();
    // Memory takes whatever is written to it.
    let _ = write(command, &mut page);
    page
}

fn write(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    command.build();
    let is_told = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let commands: Vec<Command> = command.get_subcommands().filter(is_told).cloned().collect();
    // Without a date, what stands for it must not be left out: what follows would take its place.
    let man = Man::new(command).date(" ").manual("User Commands");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;

    heading(page, "COMMANDS")?;
    for command in commands {
        write_command(command, page)?;
    }

    for (title, entries) in SECTIONS {
        heading(page, title)?;
        entries
            .iter()
            .try_for_each(|(term, words)| entry(page, term, words))?;
    }
    Ok(())
}

/// One command: how it is called, what it does, and its options, unless they were told already.
fn write_command(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SS", [usage])
        .text([roman(format!("{about}."))]);
    if command.get_name() == "serve" {
        roff.text([roman(
            "It takes the options above, and is what is done without a command.",
        )]);
        return roff.to_writer(page);
    }
    roff.to_writer(page)?;

    let mut options = Vec::new();
    let everybodys = ["verbose", "quiet", "help"];
    let command = command.mut_args(|arg| {
        if everybodys.contains(&arg.get_id().as_str()) {
            arg.hide(true)
        } else {
            arg
        }
    });
    let after_help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    Man::new(command).render_options_section(&mut options)?;
    // What would be a section of its own is a part of this one.
    page.extend(
        String::from_utf8_lossy(&options)
            .replace(".SH OPTIONS\n", "")
            .bytes(),
    );

    let mut roff = Roff::new();
    roff.control("PP", []);
    for line in after_help.lines() {
        roff.text([roman(line.trim())]);
        roff.control("br", []);
    }
    if after_help.is_empty() {
        Ok(())
    } else {
        roff.to_writer(page)
    }
}

fn heading(page: &mut Vec<u8>, title: &str) -> io::Result<()> {
    Roff::new().control("SH", [title]).to_writer(page)
}

fn entry(page: &mut Vec<u8>, term: &str, words: &str) -> io::Result<()> {
    let (term, words): ([Inline; 1], _) = ([bold(term)], [roman(words)]);
    Roff::new()
        .control("TP", [])
        .text(term)
        .text(words)
        .to_writer(page)
}

type Entries = &'static [(&'static str, &'static str)];

const SECTIONS: [(&str, Entries); 6] = [
    (
        "ADDRESSES",
        &[
            ("/", "A page that shows every camera."),
            (
                "/stream, /video_feed",
                "A camera as motion JPEG: camera=NAME, fps=N, kbps=N.",
            ),
            ("/snapshot", "Its newest frame."),
            ("/table", "A row for each frame, for ever, or rows=N."),
            (
                "/events",
                "Server-sent events: figures each second, and with frames=1 each frame.",
            ),
            ("/loop", "A page that shows the loop at work."),
            ("/state, /metrics", "Figures, as JSON and for Prometheus."),
            ("/healthz", "Whether all is well."),
        ],
    ),
    (
        "SIGNALS",
        &[
            (
                "SIGTERM, SIGINT",
                "Streams end on a whole frame, then the server does; a second one ends it at once.",
            ),
            (
                "SIGUSR2",
                "A new process takes over the listening sockets; no connection is refused meanwhile.",
            ),
            (
                "SIGHUP",
                "The files of certificate, users and token are read again; without any, the server ends.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "FRAMECAST_*",
                "Every option of the server can be given as a variable; each is named with its option.",
            ),
            (
                "RUST_LOG",
                "What is logged: error, warn, info, debug or trace. It overrides -v and -q.",
            ),
            (
                "NOTIFY_SOCKET, WATCHDOG_USEC",
                "Set by systemd, which is then told when the server listens, that its loop goes around, and when it \
                 ends.",
            ),
        ],
    ),
    (
        "FILES",
        &[(
            "/etc/default/framecast",
            "The variables of the service, where framecast is installed as a package.",
        )],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "All went well."),
            ("1", "It could not start, or not go on."),
            ("2", "The command line cannot be followed."),
        ],
    ),
    (
        "EXAMPLES",
        &[
            (
                "framecast",
                "Show an emulated camera at http://127.0.0.1:8080/.",
            ),
            (
                "framecast --listen 0.0.0.0:8080 --camera front=/dev/video0",
                "Show a camera of this machine to others.",
            ),
            ("framecast cameras", "List the cameras of this machine."),
        ],
    ),
];
