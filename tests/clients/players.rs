//! Players and recorders.

use std::fs;
use std::io::{self, BufRead};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::matrix::{
    ADDRESSES, Show, assert_moving, is_every_picture_among, picture_of, picture_of_jpeg,
    picture_of_rgb, run, watch,
};
use crate::support::{eventually, field};

/// User without privileges, for programs that refuse to run as root.
const UNPRIVILEGED_UID: u32 = 65534;

#[test]
#[ignore = "needs curl"]
fn curl() {
    let show = Show::open();
    for (client, option) in [("curl", "--http1.1"), ("curl, HTTP/1.0", "--http1.0")] {
        show.at_every_address(client, |url| {
            watch("curl", &["-sSN", "--fail", option, url], picture_of_part)
        });
    }
    for address in [
        "/snapshot",
        "/snapshot.jpg",
        "/?action=snapshot",
        "/?action=snapshot_0&n=1",
        "/snapshot?1732454800",
    ] {
        picture_of_jpeg(&run("curl", &["-sS", "--fail", &show.server.url(address)]));
    }
}

/// The setup of images for 3D printers: the stream below `/webcam/`, nginx's defaults otherwise.
#[test]
#[ignore = "needs nginx-light and curl"]
fn curl_through_nginx() {
    let show = Show::open();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place};"));
    let settings = format!(
        "daemon off; master_process off; pid {place}/pid; error_log {place}/error; events {{}} \
         http {{ access_log off; {} upstream mjpgstreamer1 {{ server {}; }} server {{ listen 127.0.0.1:{port}; \
         location /webcam/ {{ proxy_pass http://mjpgstreamer1/; }} }} }}",
        temporary.concat(),
        show.server.address,
    );
    fs::write(folder.path().join("nginx.conf"), settings).unwrap();
    let mut command = Command::new("nginx");
    command
        .arg("-c")
        .arg(folder.path().join("nginx.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let _nginx = Running(
        command
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed"),
    );
    eventually("nginx listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    for target in [
        "?action=stream",
        "?action=stream&1732454800123",
        "stream?cacheBust=1732454800123",
    ] {
        let url = format!("http://127.0.0.1:{port}/webcam/{target}");
        let seen = watch("curl", &["-sSN", "--fail", &url], picture_of_part);
        assert_moving("curl through nginx", target, &seen);
    }
    let url = format!("http://127.0.0.1:{port}/webcam/?action=snapshot");
    picture_of_jpeg(&run("curl", &["-sS", "--fail", &url]));
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg() {
    const AFTER: [&str; 5] = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    let show = Show::open();
    show.at_every_address("ffmpeg", |url| {
        watch(
            "ffmpeg",
            &[&["-v", "error", "-i", url], &AFTER[..]].concat(),
            picture_of_rgb,
        )
    });
    show.at_every_address("ffmpeg -f mpjpeg", |url| {
        watch(
            "ffmpeg",
            &[&["-v", "error", "-f", "mpjpeg", "-i", url], &AFTER[..]].concat(),
            picture_of_rgb,
        )
    });
    let fields = [
        "-v",
        "error",
        "-show_entries",
        "stream=codec_name,width,height",
        "-of",
        "csv=p=0",
    ];
    for address in ADDRESSES {
        let words = run(
            "ffprobe",
            &[&fields[..], &[&show.server.url(address)]].concat(),
        );
        assert_eq!(
            String::from_utf8_lossy(&words).trim(),
            "mjpeg,160,160",
            "ffprobe at {address}"
        );
    }
}

/// The arguments of Frigate's `preset-http-mjpeg-generic`, with detection at 25 fps: ffmpeg uses
/// time steps of 40 ms, and at the camera's own rate it would drop pictures.
#[test]
#[ignore = "needs ffmpeg"]
fn frigate() {
    const BEFORE: &str = "-hide_banner -loglevel warning -threads 2 -user_agent FFmpeg -avoid_negative_ts make_zero \
        -fflags nobuffer -flags low_delay -strict experimental -fflags +genpts+discardcorrupt \
        -use_wallclock_as_timestamps 1 -i";
    const AFTER: &str =
        "-r 25 -vf fps=25,scale=160:160 -threads 2 -f rawvideo -pix_fmt yuv420p pipe:";
    let show = Show::open();
    show.at_every_address("Frigate's ffmpeg", |url| {
        let arguments: Vec<&str> = BEFORE
            .split_whitespace()
            .chain([url])
            .chain(AFTER.split_whitespace())
            .collect();
        watch("ffmpeg", &arguments, picture_of_yuv)
    });
}

#[test]
#[ignore = "needs gstreamer1.0-tools and its base and good plugins"]
fn gstreamer() {
    let show = Show::open();
    show.at_every_address("GStreamer", |url| {
        let line = format!(
            "-q souphttpsrc location={url} is-live=true ! multipartdemux ! jpegdec ! videoconvert ! \
             video/x-raw,format=RGB,width=160,height=160 ! fdsink"
        );
        watch("gst-launch-1.0", &line.split_whitespace().collect::<Vec<_>>(), picture_of_rgb)
    });
}

#[test]
#[ignore = "needs vlc-bin and vlc-plugin-base"]
fn vlc() {
    let show = Show::open();
    show.at_every_address("VLC", |url| {
        let folder = tempfile::tempdir().unwrap();
        recorded(vlc_to(folder.path(), &[url]), folder.path())
    });
}

/// Returns the command of a VLC that writes each picture it shows into a folder.
pub(crate) fn vlc_to(folder: &Path, arguments: &[&str]) -> Command {
    const SCENES: &str = "--intf dummy --vout dummy --no-audio --no-media-library --video-filter scene \
        --scene-format jpg --scene-ratio 1 --scene-prefix scene --scene-path";
    let mut command = Command::new("cvlc");
    command
        .args(SCENES.split_whitespace())
        .arg(folder)
        .args(arguments);
    unprivileged(command, folder)
}

#[test]
#[ignore = "needs motion"]
fn motion() {
    let show = Show::open();
    show.at_every_address("motion", |url| {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("motion.conf");
        let place = folder.path().display();
        let settings = format!(
            "netcam_url {url}\nwidth 160\nheight 160\nframerate 20\ntarget_dir {place}\nemulate_motion on\n\
             picture_output on\nmovie_output off\ntext_left\ntext_right\nwebcontrol_port 0\nstream_port 0\n"
        );
        fs::write(&configuration, settings).unwrap();
        let mut command = Command::new("motion");
        command.arg("-n").arg("-c").arg(&configuration);
        recorded(command, folder.path())
    });
}

/// Runs a program that writes JPEGs into a folder until it has written each picture.
fn recorded(command: Command, folder: &Path) -> Vec<usize> {
    recorded_until(command, folder, is_every_picture_among)
}

/// Runs a program that writes JPEGs into a folder until the pictures are sufficient.
pub(crate) fn recorded_until(
    mut command: Command,
    folder: &Path,
    is_enough: impl Fn(&[usize]) -> bool,
) -> Vec<usize> {
    let log = fs::File::create(folder.join("log")).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut child = Running(
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}")),
    );
    let mut seen = Vec::new();
    eventually("it has written enough pictures", || {
        let words = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        let ended = child.0.try_wait().unwrap();
        assert!(ended.is_none(), "{command:?} ended: {ended:?} {}", words());
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut jpegs: Vec<_> = entries
            .filter(|path| path.extension().is_some_and(|name| name == "jpg"))
            .collect();
        jpegs.sort();
        // The last file may be incomplete.
        jpegs.pop();
        seen.extend(
            jpegs[seen.len()..]
                .iter()
                .map(|path| picture_of_jpeg(&fs::read(path).unwrap())),
        );
        is_enough(&seen)
    });
    seen
}

/// A child process, killed when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// If this process runs as root, makes the command run as a user that may write to `home` only.
fn unprivileged(mut command: Command, home: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(home, fs::Permissions::from_mode(0o777)).unwrap();
        command.uid(UNPRIVILEGED_UID).gid(UNPRIVILEGED_UID);
    }
    command.env("HOME", home);
    command
}

/// Reads a part by its `Content-Length` and returns the index of its picture.
pub(crate) fn picture_of_part(body: &mut dyn BufRead) -> io::Result<usize> {
    let mut header = String::new();
    while !header.ends_with("\r\n\r\n") {
        if body.read_line(&mut header)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Skips the line end that belongs to the delimiter.
        header = header.trim_start().to_owned();
    }
    let length = field(&header, "Content-Length")
        .expect("a length")
        .parse()
        .expect("a number");
    let mut jpeg = vec![0; length];
    body.read_exact(&mut jpeg)?;
    Ok(picture_of_jpeg(&jpeg))
}

/// Reads a raw YUV 4:2:0 frame of 160x160 and returns the index of its picture.
fn picture_of_yuv(output: &mut dyn BufRead) -> io::Result<usize> {
    const PIXELS: usize = 160 * 160;
    let mut frame = vec![0; PIXELS * 3 / 2];
    output.read_exact(&mut frame)?;
    let sample = |place: usize, zero: f32| f32::from(frame[place]) - zero;
    let luma = 1.164 * sample(PIXELS / 2 + 80, 16.0);
    let (blue, red) = (
        sample(PIXELS * 9 / 8 + 40, 128.0),
        sample(PIXELS * 11 / 8 + 40, 128.0),
    );
    let pixel = [
        luma + 1.596 * red,
        luma - 0.392 * blue - 0.813 * red,
        luma + 2.017 * blue,
    ];
    Ok(picture_of(pixel.map(|value| value as u8)))
}

#[test]
fn still_pictures_are_not_accepted_as_moving() {
    assert!(!is_every_picture_among(&[2; 100]));
    assert!(!is_every_picture_among(&[4, 5, 0, 1, 2, 4, 5, 0, 1, 2]));
    assert!(is_every_picture_among(&[4, 5, 5, 0, 1, 2, 2, 3, 4]));
}
