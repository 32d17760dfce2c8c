//! All addresses of a stream, and the check that a client received moving pictures.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::process::{Command, Stdio};
use std::thread;

use framecast::wire::jpeg;
use rustix::process::{Pid, Signal, kill_process};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::pictures::Pictures;
use crate::support::Program;

/// The addresses of a stream: framecast's, mjpg-streamer's, ustreamer's, and those that clients
/// use.
pub(crate) const ADDRESSES: [&str; 10] = [
    "/stream",
    "/video_feed",
    "/?action=stream",
    "/?action=stream_0",
    // Cache busting by OctoPrint, Fluidd and Mainsail.
    "/?action=stream&1732454800123",
    "/stream?cacheBust=1732454800123",
    "/?action=stream&timestamp=1732454800123",
    // Users of OpenCV and mplayer add this so that the address ends with a file extension.
    "/?action=stream?dummy=param.mjpg",
    "/?action=stream%3Fdummy%3Dparam.mjpg&timestamp=1732454800123",
    "/?action=stream&ignored.mjpg",
];

/// Frames per second: slow enough that clients see each of the six pictures, fast enough for the
/// tests' timeouts.
pub(crate) const FPS: u32 = 10;

/// A server with known pictures.
pub(crate) struct Show {
    pub(crate) server: Program,
    _pictures: Pictures,
}

impl Show {
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    /// Starts the server with these options.
    pub(crate) fn open_with(options: &[&str]) -> Self {
        let pictures = Pictures::write();
        let camera = format!("camera={}", pictures.source(FPS));
        let server = Program::serve(&[&["--camera", &camera], options].concat());
        Self {
            server,
            _pictures: pictures,
        }
    }

    /// Runs a client at all addresses in parallel and checks what it received.
    pub(crate) fn at_every_address(&self, client: &str, watch: impl Fn(&str) -> Vec<usize> + Sync) {
        thread::scope(|scope| {
            for address in ADDRESSES {
                let watch = &watch;
                scope.spawn(move || {
                    assert_moving(client, address, &watch(&self.server.url(address)))
                });
            }
        });
    }
}

/// Asserts that a client received each picture.
pub(crate) fn assert_moving(client: &str, address: &str, seen: &[usize]) {
    let mut turns = seen.to_vec();
    turns.dedup();
    println!(
        "{client:22} {address:62} {:3} pictures, {:3} different ones in turn",
        seen.len(),
        turns.len()
    );
    assert!(
        is_every_picture_among(seen),
        "{client} at {address} received only {seen:?}"
    );
}

/// Returns whether all pictures were received. On a busy machine this takes longer, because the
/// driver skips pictures when it is late.
pub(crate) fn is_every_picture_among(seen: &[usize]) -> bool {
    (0..Pictures::COLOURS.len()).all(|index| seen.contains(&index))
}

/// Returns the index of the picture with a pixel of this color.
pub(crate) fn picture_of(pixel: [u8; 3]) -> usize {
    let colour = pixel
        .iter()
        .fold(0, |bits, &channel| 2 * bits + u8::from(channel > 127));
    let place = Pictures::COLOURS.iter().position(|&known| known == colour);
    place.unwrap_or_else(|| panic!("pixel {pixel:?}: not a color of the pictures"))
}

/// Reads a raw RGB frame of 160x160 and returns the index of its picture.
pub(crate) fn picture_of_rgb(output: &mut dyn BufRead) -> io::Result<usize> {
    let mut frame = vec![0; 160 * 160 * 3];
    output.read_exact(&mut frame)?;
    let middle = frame.len() / 2 + 80 * 3;
    Ok(picture_of([
        frame[middle],
        frame[middle + 1],
        frame[middle + 2],
    ]))
}

/// Checks and decodes a JPEG, and returns the index of its picture.
pub(crate) fn picture_of_jpeg(bytes: &[u8]) -> usize {
    jpeg::check(bytes).expect("a whole JPEG");
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().expect("a JPEG that can be decoded");
    let middle = pixels.len() / 6 * 3;
    picture_of([pixels[middle], pixels[middle + 1], pixels[middle + 2]])
}

/// Runs a client until its output has contained every picture, or ends. `next` reads one picture
/// from the output.
pub(crate) fn watch(
    program: &str,
    arguments: &[&str],
    next: impl Fn(&mut dyn BufRead) -> io::Result<usize>,
) -> Vec<usize> {
    let mut words = tempfile::tempfile().expect("room for its words");
    let mut command = limited(program, arguments);
    command
        .stdout(Stdio::piped())
        .stderr(words.try_clone().expect("another handle"));
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut seen = Vec::new();
    while !is_every_picture_among(&seen) {
        let Ok(picture) = next(&mut output) else {
            break;
        };
        seen.push(picture);
    }
    let ended = !is_every_picture_among(&seen);
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    let _ = child.wait();
    if ended {
        let mut text = String::new();
        let _ = words
            .rewind()
            .and_then(|()| words.read_to_string(&mut text));
        println!("{program} {arguments:?} exited: {text}");
    }
    seen
}

/// Runs a client to its end and returns its stdout. The test fails with the client's stderr if it
/// is not installed, hangs, or exits with another status than 0.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = limited(program, arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {} {words}",
        output.status
    );
    output.stdout
}

/// Returns the command, ended by timeout(1) after 60 s.
fn limited(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "60", program])
        .args(arguments)
        .stdin(Stdio::null());
    command
}
