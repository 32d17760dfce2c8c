"""OctoPrint: the test button of the camera's settings, a timelapse of a virtual print, and the page."""

import base64
import shutil
import tempfile
from pathlib import Path

import cv2
import requests

from programs.browser import chromium
from programs.stand import START_SECONDS, assert_moving, decoded, eventually, free_port, installed, process, repeated
from programs.stand import show

# No first-run wizard, login without a password on this machine, no plugin that needs the internet.
CONFIGURATION = """
accessControl:
  autologinLocal: true
  autologinAs: ann
  autologinHeadsupAcknowledged: true
plugins:
  _disabled: [announcements, discovery, errortracking, pluginmanager, softwareupdate, tracking]
  virtual_printer: {enabled: true}
server:
  firstRun: false
  onlineCheck: {enabled: false}
  pluginBlacklist: {enabled: false}
webcam:
  ffmpeg: {ffmpeg}
"""

# A print of some seconds.
GCODE = "G28\n" + "G1 X10 F3000\nG4 P1000\nG1 X20 F3000\nG4 P1000\n" * 5


def check():
    with show() as camera, tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yaml").write_text(CONFIGURATION.replace("{ffmpeg}", shutil.which("ffmpeg")))
        octoprint, port = [installed("octoprint", "octoprint"), "--basedir", folder], free_port()
        add_user = [*octoprint, "user", "add", "ann", "--password", "secret", "--admin"]
        with process(add_user, folder) as adding:
            assert adding.wait(START_SECONDS) == 0
        command = [*octoprint, "serve", "--host", "127.0.0.1", "--port", str(port), "--iknowwhatimdoing"]
        with process(command, folder):
            server = Server(f"http://127.0.0.1:{port}")
            stream, snapshot = camera.url("/?action=stream"), camera.url("/?action=snapshot")
            camera_settings = {"stream": stream, "snapshot": snapshot}
            server.ask("POST", "settings", json={"plugins": {"classicwebcam": camera_settings}})
            tries = take_snapshots(server, snapshot)
            movie = make_timelapse(server)
            shown = show_page(server)
    return (
        f"{server.version}: its test takes snapshots ({tries} until all were seen), its timelapse has them all "
        f"({movie} frames), and its page moves ({shown} looks)"
    )


class Server:
    """OctoPrint's API as its page uses it: with a session and its CSRF token."""

    def __init__(self, url):
        self.url = url
        self.session = requests.Session()
        eventually("OctoPrint shows its page", self.open, START_SECONDS)
        logged_in = self.ask("POST", "login", json={"passive": True})
        assert logged_in["name"] == "ann", logged_in
        self.version = self.ask("GET", "version")["server"]

    def open(self):
        """Returns the CSRF token, a cookie of the page."""
        self.session.get(self.url, timeout=60).raise_for_status()
        self.token = next((cookie.value for cookie in self.session.cookies if "csrf_token" in cookie.name), None)
        return self.token

    def ask(self, method, path, **body):
        headers = {"X-CSRF-Token": self.token}
        answer = self.session.request(method, f"{self.url}/api/{path}", headers=headers, timeout=60, **body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def take_snapshots(server, url):
    """Presses the test button of the snapshot URL."""
    command = {"command": "url", "url": url, "method": "GET", "response": "bytes", "timeout": 5, "validSsl": True}
    command["content_type_whitelist"] = ["image/*"]

    def take():
        result = server.ask("POST", "util/test", json=command)
        assert result["result"] and result["status"] == 200, result
        return decoded(base64.b64decode(result["response"]["content"]))

    return assert_moving("the test of a snapshot", repeated(take))


def make_timelapse(server):
    """Prints with a snapshot per second. The movie must contain every picture of the camera."""
    server.ask("POST", "timelapse", data={"type": "timed", "interval": 1, "fps": 5, "postRoll": 0})
    server.ask("POST", "connection", json={"command": "connect", "port": "VIRTUAL", "baudrate": 115200})
    eventually("the printer is ready", lambda: server.ask("GET", "printer")["state"]["flags"]["ready"])
    server.ask("POST", "files/local", files={"file": ("wait.gcode", GCODE)}, data={"print": "true"})
    files = eventually("the movie is made", lambda: server.ask("GET", "timelapse")["files"], 120)
    with tempfile.TemporaryDirectory() as folder:
        movie = Path(folder, "movie.mp4")
        movie.write_bytes(server.session.get(server.url + files[0]["url"], timeout=60).content)
        capture = cv2.VideoCapture(str(movie))
        frames = []
        while (read := capture.read())[0]:
            frames.append(read[1])
    assert_moving("the timelapse", frames)
    return len(frames)


def show_page(server):
    """Checks the control tab, whose picture has another origin."""
    with chromium() as browser:
        browser.go(f"{server.url}/#control")
        # The picture has no size while it loads.
        eventually("the page shows the camera", lambda: browser.look("#webcam_image") is not None)
        browser.save("octoprint")
        return assert_moving("the page", repeated(lambda: browser.look("#webcam_image")))
