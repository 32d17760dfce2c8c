//! Players as people use them.

use std::process::Command;

use crate::support::Program;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    words
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg_reads_the_stream() {
    let server = Program::serve(&["--camera", "pattern:320x240?fps=25"]);
    let folder = tempfile::tempdir().unwrap();
    for target in ["/video_feed", "/?action=stream", "/stream"] {
        let pictures = folder.path().join("%d.png").display().to_string();
        let url = server.url(target);
        run("ffmpeg", &["-v", "error", "-y", "-f", "mpjpeg", "-i", &url, "-frames:v", "10", &pictures]);
        for number in 1..=10 {
            let picture = folder.path().join(format!("{number}.png"));
            assert!(std::fs::metadata(&picture).unwrap().len() > 1000);
            std::fs::remove_file(picture).unwrap();
        }
    }
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffprobe_finds_size_and_codec_by_itself() {
    let server = Program::serve(&["--camera", "pattern:320x240?fps=25"]);
    let fields = "stream=codec_name,width,height";
    let url = server.url("/video_feed");
    let words = run("ffprobe", &["-v", "error", "-show_entries", fields, "-of", "csv=p=0", &url]);
    assert_eq!(words.trim(), "mjpeg,320,240");
}

#[test]
#[ignore = "needs curl"]
fn curl_saves_a_snapshot() {
    let server = Program::serve(&[]);
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.jpg").display().to_string();
    run("curl", &["-sS", "--fail", "-o", &picture, &server.url("/snapshot")]);
    framecast::wire::jpeg::check(&std::fs::read(picture).unwrap()).unwrap();
}
