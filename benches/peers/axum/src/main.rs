//! The same service on tokio and axum: one task per viewer, woken by a watch channel.
//!
//! It treats viewers as framecast does: each frame is encoded once and shared, the next boundary is
//! sent with the frame, and a slow viewer gets the newest frame. `framecast-peer-axum DIRECTORY
//! FPS` serves the JPEGs of a directory at `/stream`; its first line is the address.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::WatchStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, fps] = arguments.as_slice() else {
        return Err("usage: framecast-peer-axum DIRECTORY FPS".into());
    };
    let jpegs = load(Path::new(directory))?;
    let (newest, viewers) = watch::channel(Bytes::new());
    tokio::spawn(publish(jpegs, Duration::from_secs_f64(1.0 / fps.parse::<f64>()?), newest));

    let app = Router::new().route("/stream", get(watch_stream)).with_state(viewers);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).await?;
    Ok(())
}

async fn watch_stream(State(newest): State<watch::Receiver<Bytes>>) -> impl IntoResponse {
    let preamble = stream::once(async { Bytes::from_static(b"--frame\r\n") });
    let parts = preamble.chain(WatchStream::from_changes(newest));
    let content_type = [(CONTENT_TYPE, "multipart/x-mixed-replace; boundary=frame")];
    (content_type, Body::from_stream(parts.map(Ok::<_, Infallible>)))
}

async fn publish(jpegs: Vec<Vec<u8>>, time: Duration, newest: watch::Sender<Bytes>) {
    let mut ticks = interval(time);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for (sequence, jpeg) in (1..).zip(jpegs.iter().cycle()) {
        ticks.tick().await;
        newest.send_replace(encode(sequence, jpeg));
    }
}

/// Encodes a part and the boundary after it.
fn encode(sequence: u64, jpeg: &[u8]) -> Bytes {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let header = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\n\
         X-Timestamp: {}.{:06}\r\nX-Frame-Sequence: {sequence}\r\n\r\n",
        jpeg.len(),
        now.as_secs(),
        now.subsec_micros(),
    );
    [header.as_bytes(), jpeg, b"\r\n--frame\r\n"].concat().into()
}

fn load(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(std::fs::read).collect()
}
