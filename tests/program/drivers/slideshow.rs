//! `stills:DIR`: the pictures of a directory, one after the other.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::{FRAMECAST, fifo, picture, watch_for};
use crate::support::{Program, TIMEOUT, eventually, large_jpeg};

fn serve(folder: &Path, more: &[&str]) -> Program {
    let camera = format!("stills:{}?fps=50", folder.display());
    Program::serve(&[&["--always-on", "--camera", &camera], more].concat())
}

fn error_of(program: &Program) -> String {
    program.state()["cameras"][0]["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn slideshow_follows_new_and_deleted_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1.jpg"), picture(1)).unwrap();
    let program = serve(folder.path(), &[]);
    let mut viewer = program.watch("/stream");
    watch_for(&mut viewer, &picture(1));
    fs::write(folder.path().join("2.jpg"), picture(2)).unwrap();
    watch_for(&mut viewer, &picture(2));
    watch_for(&mut viewer, &picture(1));
    fs::remove_file(folder.path().join("1.jpg")).unwrap();
    let begun = std::time::Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 100 {
        in_a_row = if viewer.part().jpeg == picture(2) {
            in_a_row + 1
        } else {
            0
        };
        assert!(begun.elapsed() < TIMEOUT);
    }
    assert_eq!(program.state()["cameras"][0]["driver_restarts"], 0);
}

#[test]
fn slideshow_holds_one_picture_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = large_jpeg(4);
    for number in 0..30 {
        fs::write(folder.path().join(format!("{number}.jpg")), &jpeg).unwrap();
    }
    let source = format!("stills:{}?fps=100", folder.path().display());
    let mut command = Command::new(FRAMECAST);
    let mut child = command
        .args(["capture", &source])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = vec![0; 40 * jpeg.len()];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let _ = child.kill();
    let _ = child.wait();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{peak} KiB for 30 pictures of 4 MiB");
    assert!(peak < 40 * 1024, "{peak} KiB");
}

#[test]
fn missing_directory_takes_camera_offline_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    for mode in ["fps=50", "watch=1&fps=50"] {
        let directory = folder.path().join("pictures");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("1.jpg"), picture(1)).unwrap();
        let program = Program::serve(&[
            "--camera",
            &format!("stills:{}?{mode}", directory.display()),
        ]);
        let mut viewer = program.watch("/stream");
        watch_for(&mut viewer, &picture(1));
        let away = folder.path().join("away");
        fs::rename(&directory, &away).unwrap();
        eventually("offline", || program.get("/snapshot").status() == 503);
        assert!(
            error_of(&program).contains("pictures"),
            "{mode}: {}",
            error_of(&program)
        );
        fs::rename(&away, &directory).unwrap();
        eventually("online again", || {
            program.state()["cameras"][0]["online"] == true
        });
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn empty_directory_is_offline_until_a_picture_exists() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for (directory, reason) in [
        (missing.as_path(), "cannot list the directory"),
        (folder.path(), "no JPEG file"),
    ] {
        let program = serve(directory, &[]);
        assert_eq!(program.get("/snapshot").status(), 503);
        eventually("the reason is reported", || {
            error_of(&program).contains(reason)
        });
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("1.jpg"), picture(1)).unwrap();
        eventually("the picture is shown", || {
            program.get("/snapshot").body == picture(1)
        });
    }
}

#[test]
fn irregular_files_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    fifo(&folder.path().join("a.jpg"));
    let _socket = UnixListener::bind(folder.path().join("b.jpg")).unwrap();
    fs::create_dir(folder.path().join("c.jpg")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("d.jpg")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("e.jpg")).unwrap();
    fs::write(folder.path().join("hidden"), picture(1)).unwrap();
    std::os::unix::fs::symlink("hidden", folder.path().join("f.jpg")).unwrap();
    let program = serve(folder.path(), &[]);
    let mut viewer = program.watch("/stream");
    for _ in 0..5 {
        assert_eq!(viewer.part().jpeg, picture(1));
    }
}

#[test]
fn picture_over_the_limit_is_rejected_with_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = large_jpeg(9);
    fs::write(folder.path().join("large.jpg"), &jpeg).unwrap();
    let program = serve(folder.path(), &[]);
    eventually("the limit is reported", || {
        error_of(&program).contains("8 MiB; raise --frame-max-mib")
    });
    let program = serve(folder.path(), &["--frame-max-mib", "16"]);
    assert!(program.watch("/stream").part().jpeg == jpeg);
}

#[test]
fn file_from_the_future_does_not_block_newer_files() {
    let folder = tempfile::tempdir().unwrap();
    let future = folder.path().join("future.jpg");
    fs::write(&future, picture(1)).unwrap();
    let hour = Duration::from_secs(3600);
    File::options()
        .write(true)
        .open(&future)
        .unwrap()
        .set_modified(SystemTime::now() + hour)
        .unwrap();
    let program = Program::serve(&[
        "--camera",
        &format!("stills:{}?watch=1&fps=50", folder.path().display()),
    ]);
    let mut viewer = program.watch("/stream");
    watch_for(&mut viewer, &picture(1));
    fs::write(folder.path().join("now.jpg"), picture(2)).unwrap();
    watch_for(&mut viewer, &picture(2));
    fs::remove_file(&future).unwrap();
    let old = folder.path().join("old");
    fs::write(&old, picture(3)).unwrap();
    File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(SystemTime::now() - hour)
        .unwrap();
    fs::rename(old, folder.path().join("old.jpg")).unwrap();
    watch_for(&mut viewer, &picture(3));
}

#[test]
fn file_without_end_marker_is_shown_once_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.jpg");
    fs::write(&path, picture(1).strip_suffix(b"\xff\xd9").unwrap()).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::now() - TIMEOUT)
        .unwrap();
    let program = serve(folder.path(), &[]);
    watch_for(&mut program.watch("/stream"), &picture(1));
    assert!(program.state()["cameras"][0]["repaired_frames"].as_u64() >= Some(1));
}
