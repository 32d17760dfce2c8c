"""The usual Flask camera, served by gevent: one generator per viewer, woken by an event of its own.

python3 flask_gevent.py DIRECTORY FPS serves the JPEGs of a directory at /video_feed. Its first line is the address.
"""

from gevent import monkey

monkey.patch_all()

import itertools
import sys
import threading
import time
from pathlib import Path

from flask import Flask, Response
from gevent.pywsgi import WSGIServer


class Camera:
    """Takes pictures in a thread and wakes the viewers; a subclass provides the pictures."""

    def __init__(self):
        self._newest = None
        self._wakers = set()
        threading.Thread(target=self._run, daemon=True).start()

    def pictures(self):
        raise NotImplementedError

    def watch(self):
        """Yields the newest picture and its capture time, each time there is a newer one."""
        waker = threading.Event()
        self._wakers.add(waker)
        try:
            while True:
                waker.wait()
                waker.clear()
                yield self._newest
        finally:
            self._wakers.discard(waker)

    def _run(self):
        for picture in self.pictures():
            self._newest = time.time(), picture
            for waker in list(self._wakers):
                waker.set()


class Stills(Camera):
    """The JPEGs of a directory, in a loop."""

    def __init__(self, directory, fps):
        self._pictures = [path.read_bytes() for path in sorted(Path(directory).glob("*.jpg"))]
        self._interval = 1 / fps
        super().__init__()

    def pictures(self):
        due = time.monotonic()
        for picture in itertools.cycle(self._pictures):
            # A late picture is not followed by a burst.
            due = max(due + self._interval, time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
            yield picture


def parts(camera):
    for taken_at, picture in camera.watch():
        header = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\nX-Timestamp: {taken_at:.6f}"
        yield header.encode() + b"\r\n\r\n" + picture + b"\r\n"


def main(directory, fps):
    app = Flask(__name__)
    camera = Stills(directory, float(fps))

    @app.route("/video_feed")
    def video_feed():
        return Response(parts(camera), mimetype="multipart/x-mixed-replace; boundary=frame")

    server = WSGIServer(("127.0.0.1", 0), app, log=None, error_log=None)
    server.start()
    print(f"127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
