"""What programs written in Python do with a camera's address, by the libraries they do it with.

libraries.py WHAT URL...: writes what it saw (OpenCV) or the bytes it received (the others) to standard output.
"""

import asyncio
import contextlib
import sys
import time

FRAMES = 24


def opencv(*urls):
    """Frames, each as its address, its size and the red, green and blue of its middle, one on a line.

    All addresses are read by one process, at once: it takes longer to load the library than to read the frames.
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
    """Passes the stream on as it comes, as the proxy before Home Assistant's dashboards does."""
    import aiohttp

    async def passes_on():
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

    asyncio.run(passes_on())


def home_assistant_still(url):
    """Takes one picture out of the stream, by its first and last two bytes."""
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
    """A frame of a timelapse."""
    import requests

    response = requests.get(url, stream=True, timeout=5, verify=True)
    response.raise_for_status()
    for chunk in response.iter_content(chunk_size=1024):
        sys.stdout.buffer.write(chunk)


globals()[sys.argv[1]](*sys.argv[2:])
