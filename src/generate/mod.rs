//! Files for the installation: the manual page, completions for shells, a systemd unit, a
//! Dockerfile and a Grafana dashboard. `framecast --generate FILE` prints them, so a program that
//! was copied alone has them too. The pages of the guide for a terminal are rendered here as well.

mod man;
mod markdown;
mod plain;

use clap::{Command, ValueEnum};
use clap_complete::{Shell, generate};

use crate::guide::{PAGES, Page};

/// A file that can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum File {
    /// The manual page
    Man,
    /// Completion for bash
    Bash,
    /// Completion for zsh
    Zsh,
    /// Completion for fish
    Fish,
    /// A systemd unit
    Systemd,
    /// A Dockerfile
    Dockerfile,
    /// A Grafana dashboard for /metrics
    Grafana,
}

impl File {
    /// Returns the file, for the program with the command line `command`.
    pub fn content(self, mut command: Command) -> Vec<u8> {
        let shell = match self {
            File::Man => return man::page(command, PAGES),
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

/// Returns a page of the guide as plain text in lines of at most `width` columns.
pub fn page_text(page: &Page, width: usize) -> String {
    plain::page(page.text, width)
}
