//! The program with a fake camera: `fake.c` is preloaded and replaces functions of the C library.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use bytes::BytesMut;
use framecast::wire::decoder::SourceDecoder;
use framecast::wire::jpeg::FRAME_BYTES_MAX;
use framecast::wire::part::Part;

/// The fake camera, compiled once.
fn fake() -> &'static Path {
    static FAKE: OnceLock<PathBuf> = OnceLock::new();
    FAKE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/v4l2/fake.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake_camera.so");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl");
        let compiled = compiler.output().expect("a C compiler");
        assert!(
            compiled.status.success(),
            "{}",
            String::from_utf8_lossy(&compiled.stderr)
        );
        library
    })
}

/// The settings of the fake camera: environment variables `FAKE_CAMERA_...`, without this prefix.
pub(crate) type Setting<'a> = &'a [(&'a str, &'a str)];

/// A command with these arguments and a fake camera.
pub(crate) fn program(arguments: &[&str], setting: Setting) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framecast"));
    command
        .args(arguments)
        .env("LD_PRELOAD", fake())
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(
        setting
            .iter()
            .map(|(name, value)| (format!("FAKE_CAMERA_{name}"), value)),
    );
    command
}

/// Runs the driver until it exits: the number of frames, its exit code and its stderr.
pub(crate) fn run(source: &str, setting: Setting) -> (usize, Option<i32>, String) {
    let output = program(&["capture", source], setting).output().unwrap();
    let frames = parts(&mut output.stdout.as_slice(), usize::MAX).len();
    (
        frames,
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The first `count` frames of `source`, and the driver's stderr.
pub(crate) fn capture(source: &str, setting: Setting, count: usize) -> (Vec<Part>, String) {
    let mut driver = Driver(program(&["capture", source], setting).spawn().unwrap());
    let frames = parts(driver.0.stdout.as_mut().unwrap(), count);
    driver.0.kill().unwrap();
    let mut words = String::new();
    driver
        .0
        .stderr
        .as_mut()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert_eq!(frames.len(), count, "{words}");
    (frames, words)
}

/// Reads frames from `stream` until there are `count` or it ends. It must contain nothing else.
fn parts(stream: &mut impl Read, count: usize) -> Vec<Part> {
    let mut decoder = SourceDecoder::new(FRAME_BYTES_MAX);
    let (mut received, mut piece) = (BytesMut::new(), vec![0; 64 * 1024]);
    let mut frames = Vec::new();
    while frames.len() < count {
        match decoder.decode(&mut received) {
            Ok(Some(part)) => {
                frames.push(part);
                continue;
            }
            // The driver's report of a rejected frame.
            Err(rejected) if rejected.by_driver => continue,
            Err(rejected) => panic!("{rejected}"),
            Ok(None) => {}
        }
        let length = stream.read(&mut piece).unwrap();
        if length == 0 {
            break;
        }
        received.extend_from_slice(&piece[..length]);
    }
    frames
}

/// A process that is killed when dropped.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
