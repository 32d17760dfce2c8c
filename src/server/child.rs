//! Ourselves as another process.

use std::path::Path;
use std::process::Command;

/// The command that runs `program` as `program what`. The server's own options are none of its children's business,
/// least of all passwords and tokens, so no variable that stands in for one is handed on.
pub fn command(program: &Path, what: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(what);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FRAMECAST_") {
            command.env_remove(name);
        }
    }
    command
}
