//! Faults made on purpose, which the simulation must notice. Each `faults/NAME.patch` is applied to
//! a copy of the pure layers. Then a seed must fail. The guide has exercises with them
//! (`src/guide/exercises.md`).
//!
//! The head of a patch has two lines: `Pattern:` names the mistake, `Seen:` describes what a peer
//! or an operator observes. A unified diff follows. Its line numbers are ignored: the lines that a
//! hunk replaces must occur exactly once in the file, so a patch survives changes elsewhere, and
//! fails where its own lines change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs, io};

const SEEDS_MAX: u64 = 1000;

/// The content of the copy: the layers that the simulation runs, and the simulation.
const COPIED: [&str; 7] = [
    "Cargo.lock",
    "src/hub",
    "src/site",
    "src/stream",
    "src/text",
    "src/wire",
    "tests/simulation",
];

struct Fault {
    name: String,
    pattern: String,
    hunks: Vec<Hunk>,
}

/// Lines that take the place of others in one file.
#[derive(Default)]
struct Hunk {
    path: PathBuf,
    before: String,
    after: String,
}

/// Builds and runs the simulation with each fault, or with the one named `only`.
pub fn run(only: Option<&str>) -> Result<(), String> {
    let mut faults = read_all()?;
    faults.retain(|fault| only.is_none_or(|only| fault.name == only));
    // Cargo sets it for tests, not for the program that the copy builds.
    let folder = option_env!("CARGO_TARGET_TMPDIR").ok_or("only cargo test can try faults")?;
    let copy = Path::new(folder).join("faults");
    make_copy(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    if let Some(failure) = first_failure(&copy)? {
        return Err(format!("without any fault, {failure}"));
    }
    let began = Instant::now();
    let mut problems = Vec::new();
    for fault in &faults {
        match fault.try_on(&copy) {
            Ok(failure) => println!("{:<34} {failure:.160}", fault.name),
            Err(problem) => problems.push(format!("{} ({}): {problem}", fault.name, fault.pattern)),
        }
    }
    let noticed = faults.len() - problems.len();
    println!(
        "{noticed} of {} faults are noticed, in {:.0} s",
        faults.len(),
        began.elapsed().as_secs_f64()
    );
    if noticed == faults.len() && noticed > 0 {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// Checks that every patch applies.
pub fn check_all() -> Result<(), String> {
    let faults = read_all()?;
    for fault in &faults {
        fault
            .apply()
            .map_err(|problem| format!("{}.patch: {problem}", fault.name))?;
    }
    println!("{} faults apply", faults.len());
    Ok(())
}

impl Fault {
    /// Applies the fault to the copy, runs the seeds, and restores the copy. Returns the first
    /// seed's failure.
    fn try_on(&self, copy: &Path) -> Result<String, String> {
        let changes = self.apply()?;
        let write = |path: &Path, text: &str| {
            fs::write(copy.join(path), text).map_err(|error| error.to_string())
        };
        changes
            .iter()
            .try_for_each(|(path, (_, changed))| write(path, changed))?;
        let failure = first_failure(copy);
        changes
            .iter()
            .try_for_each(|(path, (original, _))| write(path, original))?;
        failure?.ok_or_else(|| format!("not noticed within {SEEDS_MAX} seeds"))
    }

    /// The files that the fault changes, each as it is and as it becomes.
    fn apply(&self) -> Result<BTreeMap<&Path, (String, String)>, String> {
        let mut changes = BTreeMap::<&Path, (String, String)>::new();
        for Hunk {
            path,
            before,
            after,
        } in &self.hunks
        {
            let original = fs::read_to_string(root().join(path));
            let original = original.map_err(|error| format!("{}: {error}", path.display()))?;
            let (_, changed) = changes
                .entry(path)
                .or_insert_with(|| (original.clone(), original));
            match changed.matches(before.as_str()).count() {
                1 => *changed = changed.replacen(before, after, 1),
                found => {
                    return Err(format!(
                        "applies {found} times, not once, to {}:\n{before}",
                        path.display()
                    ));
                }
            }
        }
        if changes.is_empty() {
            Err("changes nothing".into())
        } else {
            Ok(changes)
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All patches, in the order of their names.
fn read_all() -> Result<Vec<Fault>, String> {
    let folder = root().join("tests/simulation/faults");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "patch")
    });
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| error.to_string());
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        text.and_then(|text| parse(name, &text))
            .map_err(|problem| format!("{}: {problem}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn parse(name: String, text: &str) -> Result<Fault, String> {
    let (head, diff) = text.split_once("\n--- ").ok_or("expected a unified diff")?;
    let field = |field: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(field))
            .map(str::trim)
    };
    let (Some(pattern), Some(_)) = (field("Pattern:"), field("Seen:")) else {
        return Err("expected the lines \"Pattern: ...\" and \"Seen: ...\"".into());
    };
    let (mut hunks, mut path) = (Vec::<Hunk>::new(), PathBuf::new());
    for line in diff
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("--- "))
    {
        if let Some(to) = line.strip_prefix("+++ b/") {
            path = to.into();
        } else if line.starts_with("@@") {
            hunks.push(Hunk {
                path: path.clone(),
                ..Hunk::default()
            });
        } else if let Some(Hunk { before, after, .. }) = hunks.last_mut() {
            let (kind, content) = line.split_at(line.len().min(1));
            if kind != "+" {
                *before += &format!("{content}\n");
            }
            if kind != "-" {
                *after += &format!("{content}\n");
            }
        }
    }
    Ok(Fault {
        name,
        pattern: pattern.to_owned(),
        hunks,
    })
}

/// Copies the pure rooms and the simulation, as a crate with few dependencies. What was built there
/// before is used again.
fn make_copy(copy: &Path) -> io::Result<()> {
    for folder in ["src", "tests"]
        .map(|folder| copy.join(folder))
        .iter()
        .filter(|folder| folder.exists())
    {
        fs::remove_dir_all(folder)?;
    }
    COPIED
        .iter()
        .try_for_each(|path| copy_all(&root().join(path), &copy.join(path)))?;
    let manifest = root().join("tests/simulation/faults/crate.toml");
    fs::write(copy.join("Cargo.toml"), fs::read(manifest)?)
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        return fs::read_dir(from)?
            .flatten()
            .try_for_each(|entry| copy_all(&entry.path(), &to.join(entry.file_name())));
    }
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    // Not `fs::copy`: the time of the new file shows cargo that it has changed.
    fs::write(to, fs::read(from)?)
}

/// Builds the copy and runs its simulation. Returns the failure of the first seed that fails, if
/// one does.
fn first_failure(copy: &Path) -> Result<Option<String>, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(copy)
        .args(["run", "--quiet", "--offline", "--target-dir", "target"]);
    cargo.args(["--", "--seeds", &format!("0..{SEEDS_MAX}")]);
    let output = cargo
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let has_held = stdout.starts_with(&format!("{SEEDS_MAX} seeds"));
    match stdout
        .lines()
        .next()
        .filter(|line| has_held || line.starts_with("seed "))
    {
        Some(line) => Ok((!has_held).then(|| line.to_owned())),
        None => Err(format!(
            "does not build or run:\n{stdout}{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
