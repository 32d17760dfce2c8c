//! The options of `framecast serve`.

use std::path::Path;

use clap::Args;

use super::access::Access;
use super::cameras::{self, Cameras};
use super::error::OptionsError;
use super::given::{Each, List};
use super::history::History;
use super::limits::LimitOptions;
use super::listen::Listening;
use super::programs;
use super::values::secret;
use crate::hub::Limits;
use crate::server::Settings;
use crate::text::secret::SecretAddress;

/// The options of `framecast serve`.
#[derive(Debug, Args)]
#[command(after_long_help = notes())]
pub struct Serve {
    /// Camera to serve, as with --camera
    #[arg(value_name = "[NAME=]SOURCE", value_parser = Each(secret, None))]
    source: Vec<List<SecretAddress>>,

    #[command(flatten)]
    listening: Listening,
    #[command(flatten)]
    cameras: Cameras,
    #[command(flatten)]
    history: History,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    access: Access,
}

/// Returns the text at the end of the help: values and variables of all options, exit codes.
pub(super) fn notes() -> &'static str {
    "Values:\n  \
       TIME  A number with a unit: 250ms, 30s, 2m, 1h; above 0 and at most 366 days unless stated\n  \
       MIB   A whole number of mebibytes (1,048,576 bytes), from 1 to 1048576 unless stated\n  \
       N     A whole number from 1 to 4294967295\n  \
       BOOL  true or false; the option alone means true\n\n\
     Variables:\n  \
       An option overrides its variable. An empty variable counts as unset. Ignored in a variable\n  \
       are blanks and quotes around a value, and comments (a blank, # and the rest of the line).\n\n\
     Exit status:\n  \
       0  Success\n  \
       1  The server could not start or go on, for example because an address is in use\n  \
       2  Invalid command line, variable or credentials file\n\n\
     \"framecast help TOPIC\" prints a page of the guide; \"framecast help\" lists the topics."
}

impl Serve {
    /// Returns the sources given as positional arguments.
    pub(super) fn positionals(&self) -> impl Iterator<Item = &str> {
        self.source
            .iter()
            .flat_map(List::iter)
            .map(|given| given.value.expose())
    }

    /// Validates the options and returns the server's settings. `program` is the path of framecast
    /// itself, which the server's child processes run.
    ///
    /// # Errors
    /// A camera, publisher or credentials file is invalid, two options contradict each other, or a
    /// certificate is missing or unused.
    pub fn settings(self, program: &Path) -> Result<Settings, OptionsError> {
        let Self {
            source,
            listening,
            cameras,
            history,
            limits,
            access,
        } = self;
        let (listen, tls) = listening.resolve()?;
        let (access, credentials) = access.policy()?;
        let frame_bytes_max = limits.frame_bytes_max();
        let given = (List::concat(source), List::concat(cameras.camera));
        let settings = cameras::parse(program, given.0, given.1, frame_bytes_max, history.warm_up)?;
        Ok(Settings {
            listen,
            tls,
            publishers: cameras::parse_publishers(
                program,
                List::concat(cameras.publish),
                &settings,
            )?,
            cameras: settings,
            renderer: programs::renderer(program),
            password_check: programs::password_check(program),
            always_on: cameras.always_on,
            offline: cameras.offline,
            camera_linger: cameras.camera_linger,
            snapshot_max_age: history.snapshot_max_age,
            boundary: limits.boundary.clone(),
            connections_max: limits.connections_max as usize,
            shutdown_timeout: limits.shutdown_timeout,
            limits: Limits {
                trusted_proxies: access.trusted_proxies.clone(),
                history_span: history.span,
                history_bytes_max: history.bytes_max(),
                ..limits.limits()
            },
            access,
            credentials,
        })
    }
}
