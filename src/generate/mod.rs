//! What goes with the program when it is installed: its manual page, the completions of shells, and
//! what a service manager, a container and a dashboard need. `framecast --generate` prints each, so
//! that whoever has the program has them, too. It knows the command line and nothing of what the
//! program does.

mod man;

use clap::{Command, ValueEnum};
use clap_complete::{Shell, generate};

/// What can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum File {
    /// The manual page
    Man,
    /// What completes a command line in bash
    Bash,
    /// The same in zsh
    Zsh,
    /// The same in fish
    Fish,
    /// A unit of systemd
    Systemd,
    /// How to make a container
    Dockerfile,
    /// A dashboard of Grafana, of what /metrics has
    Grafana,
}

impl File {
    /// The whole file, for the program that `command` describes.
    pub fn content(self, mut command: Command) -> Vec<u8> {
        let shell = match self {
            File::Man => return man::page(command),
            File::Systemd => return include_bytes!("framecast.service").into(),
            File::Dockerfile => return include_bytes!("Dockerfile").into(),
            File::Grafana => return include_bytes!("grafana.json").into(),
            File::Bash => Shell::Bash,
            File::Zsh => Shell::Zsh,
            File::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        generate(shell, &mut command, "framecast", &mut script);
        script
    }
}
