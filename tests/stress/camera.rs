//! The cameras: the server runs this test program itself as a driver.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::wall_time;
use framecast::wire::metadata::WallTime;
use framecast::wire::multipart::{EncodedPart, Framing, preamble};

use crate::picture::picture;
use crate::{garbage, hostile};

/// A driver that is later than this skips the missed time.
const LAG_MAX: Duration = Duration::from_secs(1);

/// Interval at which a paused driver checks whether it may continue.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Limit for the driver that writes at pipe speed.
const WRITING_TIME_MAX: Duration = Duration::from_secs(120);

/// Controls a driver through files in a directory: pauses it, and reads its results.
#[derive(Debug)]
pub struct CameraControl {
    folder: tempfile::TempDir,
}

impl CameraControl {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        }
    }

    /// Returns the source of a camera with `fps` frames of `bytes` bytes per second.
    pub fn steady(&self, fps: f64, bytes: usize) -> String {
        exec(&["steady", &fps.to_string(), &bytes.to_string(), &self.path()])
    }

    /// Returns the source of a driver that writes valid frames among garbage at pipe speed.
    pub fn garbage(&self, format: &str, frames: usize) -> String {
        exec(&["garbage", format, &frames.to_string(), &self.path()])
    }

    /// Returns the source of a driver of [`crate::hostile`].
    pub fn hostile(&self, kind: &str) -> String {
        exec(&["hostile", kind])
    }

    /// Pauses the steady camera and returns the number of its last frame.
    pub fn pause(&self) -> u64 {
        fs::write(self.folder.path().join("silence"), "").expect("the folder can be written to");
        self.wait_for_file("last").parse().expect("a number")
    }

    /// Resumes the steady camera.
    pub fn resume(&self) {
        fs::remove_file(self.folder.path().join("silence")).expect("it was silent");
        fs::remove_file(self.folder.path().join("last")).expect("it was silent");
    }

    /// Waits for the driver that writes garbage and returns its counters.
    pub fn totals(&self) -> garbage::Totals {
        // It writes some hundred megabytes first.
        let begun = Instant::now();
        while !self.folder.path().join("ledger").exists() && begun.elapsed() < WRITING_TIME_MAX {
            std::thread::sleep(POLL_INTERVAL);
        }
        garbage::Totals::parse(&self.wait_for_file("ledger")).expect("a ledger")
    }

    fn wait_for_file(&self, name: &str) -> String {
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

/// Runs a driver until the server closes its pipe.
pub fn run(words: &[String]) -> io::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wrong = || {
        io::Error::other(
            "expected steady FPS BYTES FOLDER, garbage FORMAT FRAMES FOLDER, or hostile KIND",
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

/// Writes numbered frames at a fixed rate. Late frames are written too, so that the numbers have no
/// gaps. The first number is higher than those of an earlier run.
fn steady(fps: f64, bytes: usize, folder: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&preamble("frame", Framing::Length))?;
    let mut number = uptime_centiseconds()? * 10_000;
    let mut epoch = Instant::now();
    let mut written = 0_u32;
    let pause = folder.join("silence");
    loop {
        if pause.exists() {
            while pause.exists() {
                // It may be resumed and paused again between two polls.
                if !folder.join("last").exists() {
                    write_file(folder, "last", &number.to_string())?;
                }
                std::thread::sleep(POLL_INTERVAL);
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

/// Writes a file atomically.
pub fn write_file(folder: &Path, name: &str, word: &str) -> io::Result<()> {
    let unfinished: PathBuf = folder.join("unfinished");
    fs::write(&unfinished, word)?;
    fs::rename(&unfinished, folder.join(name))
}

/// Returns hundredths of a second since the machine started. Setting the clock does not change it.
fn uptime_centiseconds() -> io::Result<u64> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    let uptime = uptime
        .split(' ')
        .next()
        .and_then(|seconds| seconds.parse::<f64>().ok());
    Ok((uptime.ok_or_else(|| io::Error::other("no uptime"))? * 100.0) as u64)
}
