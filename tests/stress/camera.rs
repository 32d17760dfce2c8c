//! The cameras under stress: this test program itself, run as a driver by the server.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use framecast::clock::wall_time;
use framecast::wire::metadata::WallTime;
use framecast::wire::multipart::{EncodedPart, Framing, preamble};

use crate::picture::picture;
use crate::{garbage, hostile};

/// A camera that has been held up for longer than this goes on from now.
const LAG_MAX: Duration = Duration::from_secs(1);

/// How often a camera that has nothing to do looks whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A camera that writes as fast as it can has written all by then.
const WRITING_TIME_MAX: Duration = Duration::from_secs(120);

/// A folder through which a camera is told to be silent, and tells what it wrote.
#[derive(Debug)]
pub struct Baton {
    folder: tempfile::TempDir,
}

impl Baton {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        }
    }

    /// The source that is a camera with `fps` frames of `bytes` bytes a second.
    pub fn steady(&self, fps: f64, bytes: usize) -> String {
        exec(&["steady", &fps.to_string(), &bytes.to_string(), &self.path()])
    }

    /// The source that writes so many frames, good ones among garbage, as fast as they are taken.
    pub fn garbage(&self, format: &str, frames: usize) -> String {
        exec(&["garbage", format, &frames.to_string(), &self.path()])
    }

    /// The source that writes endless bytes of one kind, see [`crate::hostile`].
    pub fn hostile(&self, kind: &str) -> String {
        exec(&["hostile", kind])
    }

    /// Tells the steady camera to write no more. Returns the number of its last frame.
    pub fn silence(&self) -> u64 {
        fs::write(self.folder.path().join("silence"), "").expect("the folder can be written to");
        self.await_word("last").parse().expect("a number")
    }

    /// Lets the steady camera go on.
    pub fn go_on(&self) {
        fs::remove_file(self.folder.path().join("silence")).expect("it was silent");
        fs::remove_file(self.folder.path().join("last")).expect("it was silent");
    }

    /// What the camera that writes garbage has written, once it has written all.
    pub fn ledger(&self) -> garbage::Ledger {
        // Some hundred megabytes go through a pipe first.
        let begun = Instant::now();
        while !self.folder.path().join("ledger").exists() && begun.elapsed() < WRITING_TIME_MAX {
            std::thread::sleep(LOOK_INTERVAL);
        }
        garbage::Ledger::parse(&self.await_word("ledger")).expect("a ledger")
    }

    fn await_word(&self, name: &str) -> String {
        let mut word = None;
        crate::support::eventually(&format!("the camera tells its {name}"), || {
            word = fs::read_to_string(self.folder.path().join(name)).ok();
            word.is_some()
        });
        word.unwrap_or_default()
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }
}

fn exec(words: &[&str]) -> String {
    let program = std::env::current_exe()
        .expect("this program is a file")
        .display()
        .to_string();
    let words = [&[program.as_str(), "--camera"], words].concat();
    format!(
        "exec:{}",
        shlex::try_join(words).expect("words without NUL")
    )
}

/// Is a camera until nobody reads it any more.
pub fn run(words: &[String]) -> io::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wrong = || {
        io::Error::other(
            "a camera is steady FPS BYTES FOLDER, garbage FORMAT FRAMES FOLDER, or hostile KIND",
        )
    };
    match words[..] {
        ["steady", fps, bytes, folder] => {
            let fps = fps.parse().map_err(|_| wrong())?;
            steady(fps, bytes.parse().map_err(|_| wrong())?, Path::new(folder))
        }
        ["garbage", format, frames, folder] => garbage::run(
            format == "parts",
            frames.parse().map_err(|_| wrong())?,
            Path::new(folder),
        ),
        ["hostile", kind] => hostile::run(kind),
        _ => Err(wrong()),
    }
}

/// Writes numbered frames by the clock. Each that is due is written, however late, so that numbers
/// without a gap are frames without a gap. They begin above those of an earlier run.
fn steady(fps: f64, bytes: usize, folder: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&preamble("frame", Framing::Length))?;
    let mut number = uptime_centiseconds()? * 10_000;
    let mut epoch = Instant::now();
    let mut written = 0_u32;
    let silence = folder.join("silence");
    loop {
        if silence.exists() {
            while silence.exists() {
                // It may be told to go on and be silent again between two looks.
                if !folder.join("last").exists() {
                    announce(folder, "last", &number.to_string())?;
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
            (epoch, written) = (Instant::now(), 0);
        }
        let due = epoch + Duration::from_secs_f64(f64::from(written) / fps);
        match due.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::sleep(left),
            _ if due.elapsed() > LAG_MAX => (epoch, written) = (Instant::now(), 0),
            _ => {}
        }
        number += 1;
        written += 1;
        let captured = WallTime::nearest(wall_time());
        let part = EncodedPart::encode("frame", number, captured, &picture(number, bytes));
        out.write_all(&part.framed(Framing::Length))?;
        out.flush()?;
    }
}

/// Writes a word where the test waits for it, at once as a whole.
pub fn announce(folder: &Path, name: &str, word: &str) -> io::Result<()> {
    let unfinished: PathBuf = folder.join("unfinished");
    fs::write(&unfinished, word)?;
    fs::rename(&unfinished, folder.join(name))
}

/// Hundredths of a second since the machine was started, which no clock that is set changes.
fn uptime_centiseconds() -> io::Result<u64> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let uptime = uptime
        .split(' ')
        .next()
        .and_then(|seconds| seconds.parse::<f64>().ok());
    Ok((uptime.ok_or_else(|| io::Error::other("no uptime"))? * 100.0) as u64)
}
