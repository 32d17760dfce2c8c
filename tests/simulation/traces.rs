//! The traces that fuzzing has kept, for new code that they reached or faults that they found.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run;

/// Plays one trace.
pub fn play(path: &Path, is_verbose: bool) -> Result<(), String> {
    let trace = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    run::play(&trace, is_verbose).map(drop).map_err(|fault| format!("{}: {fault}", path.display()))
}

/// Plays all that are kept; the published crate comes without them.
pub fn play_all() -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/hub");
    let entries = fs::read_dir(folder).into_iter().flatten();
    let traces: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    traces.iter().try_for_each(|trace| play(trace, false))?;
    println!("{} traces hold", traces.len());
    Ok(())
}
