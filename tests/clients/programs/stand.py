"""Shared by all programs: a framecast with known pictures, and processes that end with the test."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy

ROOT = Path(__file__).resolve().parents[3]
FRAMECAST = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "optimised/framecast"

# Red, green and blue of the pictures in their order. No encoder or screen can confuse two of them.
COLOURS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)]
WIDTH, HEIGHT = 320, 240
FPS = 5

# Timeouts of a program's first start on a busy machine, and of everything after it.
START_SECONDS = 180
TIMEOUT_SECONDS = 40


def installed(program, name):
    """Returns the path of a command in the environment that `programs.sh` made for this program."""
    return str(ROOT / "target/programs" / program / "bin" / name)


def free_port():
    """Returns a free port, for programs that do not print the one they use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def eventually(what, holds, seconds=TIMEOUT_SECONDS):
    """Polls until the result is true, and returns it. An exception counts as false."""
    end = time.monotonic() + seconds
    while True:
        error = None
        try:
            if answer := holds():
                return answer
        except (OSError, KeyError, IndexError) as caught:
            error = caught
        assert time.monotonic() < end, f"not within {seconds} s: {what} {error or ''}"
        time.sleep(0.1)


@contextlib.contextmanager
def process(command, folder, **environment):
    """Runs a program in a session of its own with `folder` as its home. Prints its output if the test fails."""
    words = Path(folder, "words")
    with words.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"HOME": str(folder)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield child
    except BaseException:
        print(f"last output of {command[0]}:\n" + words.read_text(errors="replace")[-4000:], flush=True)
        raise
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)


class Show:
    """A framecast on a free port, with one camera that is not running yet."""

    def __init__(self, address):
        self.host, self.port = address.split(":")
        self.address = address

    def url(self, target):
        return f"http://{self.address}{target}"


@contextlib.contextmanager
def show(*options):
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        for index, (red, green, blue) in enumerate(COLOURS):
            picture = numpy.full((HEIGHT, WIDTH, 3), (255 * blue, 255 * green, 255 * red), numpy.uint8)
            cv2.imwrite(str(pictures / f"{index}.jpg"), picture)
        command = [str(FRAMECAST), "--listen", "127.0.0.1:0", "--camera", f"stills:{pictures}?fps={FPS}", *options]
        with process(command, folder):
            words = Path(folder, "words")
            lines = eventually("framecast listens", lambda: words.read_text().split("listening on http://")[1:])
            yield Show(lines[0].split("/")[0])


def colour_of(image):
    """Returns the color of an image's middle, or None if the middle has several colors."""
    assert image is not None, "not decodable"
    height, width = image.shape[:2]
    middle = image[height // 2 - 2:height // 2 + 3, width // 2 - 2:width // 2 + 3, :3].reshape(-1, 3)
    colours = {tuple(int(channel > 127) for channel in pixel[::-1]) for pixel in middle}
    colour = colours.pop()
    return None if colours else colour


def decoded(data):
    """Decodes a JPEG or PNG."""
    return cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)


def assert_moving(what, images, seconds=TIMEOUT_SECONDS):
    """Asserts that every picture is among the images in time. Returns the number of images needed."""
    seen, end = set(), time.monotonic() + seconds
    for count, image in enumerate(images, 1):
        seen.add(colour_of(image))
        if seen.issuperset(COLOURS):
            return count
        assert time.monotonic() < end, f"{what} shows only {seen}"
    raise AssertionError(f"{what} ends after {seen}")


def repeated(take):
    """Yields the results of `take`, a little faster than the camera's rate."""
    for _ in itertools.count():
        yield take()
        time.sleep(0.4 / FPS)


def jpegs(answer):
    """Yields the decoded JPEGs of a stream, found by their start and end markers."""
    answer.raise_for_status()
    kind = answer.headers["Content-Type"]
    assert kind.startswith("multipart/x-mixed-replace"), kind
    received = b""
    # `iter_content` waits for a full chunk: a small one does not delay a picture until the next.
    for chunk in answer.iter_content(128):
        received += chunk
        while (end := received.find(b"\xff\xd9")) >= 0:
            yield decoded(received[received.find(b"\xff\xd8"):end + 2])
            received = received[end + 2:]
