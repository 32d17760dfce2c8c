//! Players that show the camera in a window, with the command lines of the guide. The tests check
//! the pixels of the screen.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::matrix::{Show, assert_moving, picture_of, watch};
use crate::players::Running;

#[test]
#[ignore = "needs xvfb and ffmpeg"]
fn ffplay() {
    on_a_screen("ffplay", "ffplay -fflags nobuffer URL");
}

#[test]
#[ignore = "needs xvfb, ffmpeg, gstreamer1.0-tools, gstreamer1.0-x and the base and good plugins"]
fn gstreamer() {
    on_a_screen(
        "GStreamer",
        "gst-launch-1.0 souphttpsrc location=URL is-live=true ! multipartdemux ! jpegdec ! videoconvert ! \
         autovideosink",
    );
}

/// Runs a command line on a screen of its own and captures a part of the screen that lies within
/// the window, which is in the middle or in the upper left corner. (GStreamer shows nothing if its
/// window fills the screen.)
fn on_a_screen(client: &str, line: &str) {
    let show = Show::open();
    let screen = Screen::open();
    let line = line.replace("URL", &show.server.url("/stream"));
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    // No other screen may be used.
    command
        .args(words)
        .env("DISPLAY", &screen.name)
        .env("SDL_VIDEODRIVER", "x11")
        .env_remove("WAYLAND_DISPLAY");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _client = Running(
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{line} cannot be run: {error}")),
    );
    let name = &screen.name;
    let grab = format!(
        "-v error -f x11grab -framerate 25 -video_size 160x160 -i {name}+20,20 -f rawvideo -pix_fmt rgb24 -"
    );
    let seen = watch(
        "ffmpeg",
        &grab.split_whitespace().collect::<Vec<_>>(),
        picture_on_screen,
    );
    assert_moving(client, "on a screen", &seen);
}

/// Returns the index of the picture on the screen. The screen is black until the window opens.
fn picture_on_screen(output: &mut dyn BufRead) -> io::Result<usize> {
    let mut frame = vec![0; 160 * 160 * 3];
    loop {
        output.read_exact(&mut frame)?;
        let middle = frame.len() / 2 + 80 * 3;
        let pixel = [frame[middle], frame[middle + 1], frame[middle + 2]];
        if pixel.iter().any(|&channel| channel > 127) {
            return Ok(picture_of(pixel));
        }
    }
}

/// An X server without a monitor.
struct Screen {
    name: String,
    _server: Running,
}

impl Screen {
    fn open() -> Self {
        let mut command = Command::new("Xvfb");
        // Xvfb chooses a free display number and prints it when it is ready.
        command.args("-displayfd 1 -screen 0 240x240x24 -nolisten tcp -noreset".split_whitespace());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = Running(command.spawn().expect("xvfb is installed"));
        let mut number = String::new();
        let output = server.0.stdout.take().expect("its output is piped");
        BufReader::new(output)
            .read_line(&mut number)
            .expect("Xvfb prints its display number");
        Self {
            name: format!(":{}", number.trim()),
            _server: server,
        }
    }
}
