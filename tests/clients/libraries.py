"""Reads a camera as programs written in Python do, with the libraries that they use.

libraries.py FUNCTION URL...: prints the decoded colors (OpenCV) or writes the received bytes (others) to stdout.
"""

import asyncio
import contextlib
import sys
import time

FRAMES = 24


def opencv(*urls):
    """Prints a line per frame: address, size, and red, green and blue of the middle.

    One process reads all addresses in parallel, because loading the library takes longer than reading the frames.
    """
    import concurrent.futures

    import cv2

    def watch(url):
        capture = cv2.VideoCapture(url)
        assert capture.isOpened(), f"OpenCV cannot open {url}"
        for _ in range(FRAMES):
            good, frame = capture.read()
            assert good, f"OpenCV cannot read a frame of {url}"
            height, width, _ = frame.shape
            blue, green, red = frame[height // 2, width // 2]
            print(f"{url} {width} {height} {red} {green} {blue}\n", end="")

    with concurrent.futures.ThreadPoolExecutor(len(urls)) as threads:
        list(threads.map(watch, urls))


def home_assistant_stream(url, seconds=60):
    """Forwards the stream unchanged, as Home Assistant's proxy does."""
    import aiohttp

    async def forward():
        async with aiohttp.ClientSession(headers={"User-Agent": "HomeAssistant"}) as session:
            async with session.get(url) as response:
                response.raise_for_status()
                sys.stderr.write(response.headers["Content-Type"])
                end = time.monotonic() + float(seconds)
                while time.monotonic() < end:
                    chunk = await asyncio.wait_for(response.content.read(102400), 10)
                    assert chunk, "the stream has ended"
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.buffer.flush()

    asyncio.run(forward())


def home_assistant_still(url):
    """Extracts one picture from the stream by its start and end markers."""
    import requests

    with contextlib.closing(requests.get(url, stream=True, timeout=10)) as response:
        response.raise_for_status()
        received = b""
        for chunk in response.iter_content(102400):
            received += chunk
            end = received.find(b"\xff\xd9")
            if end >= 0:
                sys.stdout.buffer.write(received[received.find(b"\xff\xd8"):end + 2])
                return


def octoprint_snapshot(url):
    """Downloads a frame of a timelapse."""
    import requests

    response = requests.get(url, stream=True, timeout=5, verify=True)
    response.raise_for_status()
    for chunk in response.iter_content(chunk_size=1024):
        sys.stdout.buffer.write(chunk)


globals()[sys.argv[1]](*sys.argv[2:])
