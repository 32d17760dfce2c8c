"""motionEye with motion: it detects and adds the network camera, and forwards its pictures."""

import re
import tempfile
from pathlib import Path

import requests

from programs.stand import START_SECONDS, assert_moving, decoded, eventually, free_port, installed, process, repeated
from programs.stand import show

CONFIGURATION = """
conf_path {folder}
run_path {folder}
log_path {folder}
media_path {folder}
listen 127.0.0.1
port {port}
motion_control_port {control}
"""



def check():
    with show() as camera, tempfile.TemporaryDirectory() as folder:
        port, control = free_port(), free_port()
        configuration = Path(folder, "motioneye.conf")
        configuration.write_text(CONFIGURATION.format(**locals()))
        with process([installed("motioneye", "meyectl"), "startserver", "-c", str(configuration)], folder):
            return add_camera(f"http://127.0.0.1:{port}", camera, folder)


def add_camera(server, camera, folder):
    session = requests.Session()
    page = eventually("motionEye answers", lambda: session.get(f"{server}/version").text, START_SECONDS)
    version, motion = re.findall(r'^(?:motion_)?version = "(.+?)"', page, re.MULTILINE)
    session.post(f"{server}/login", json={"username": "admin", "password": ""}).raise_for_status()

    # The requests of the page for a new camera: detect its kind, then add it.
    def details(path):
        address = {"scheme": "http", "host": camera.host, "port": camera.port, "path": path}
        return {"proto": "netcam", "username": "", "password": "", **address}

    for path, expected in (("/stream", "MJPEG Network Camera"), ("/snapshot", "JPEG Network Camera")):
        listed = session.post(f"{server}/config/list", json=details(path)).json()
        assert [found["name"] for found in listed["cameras"]] == [expected], listed
    found = session.post(f"{server}/config/list", json=details("/no-such-address")).json()
    assert "error" in found, found
    added = session.post(f"{server}/config/add", json=details("/stream") | {"camera_index": 1, "keep_alive": True})
    added.raise_for_status()
    lines = Path(folder, "camera-1.conf").read_text().splitlines()
    assert f"netcam_url {camera.url('/stream')}" in lines, lines

    def take():
        answer = session.get(f"{server}/picture/1/current/")
        answer.raise_for_status()
        return decoded(answer.content)

    eventually("motion has the first picture", lambda: session.get(f"{server}/picture/1/current/").content)
    count = assert_moving("motionEye", repeated(take))
    return f"{version}: adds the network camera, and what motion {motion} gives it moves in {count} pictures"
