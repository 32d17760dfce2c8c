"""Moonraker, which gives Mainsail and Fluidd the address of the printer's camera, and tests it."""

import tempfile
from pathlib import Path

import requests

from programs.stand import START_SECONDS, assert_moving, decoded, eventually, free_port, installed, jpegs, process
from programs.stand import repeated, show

CONFIGURATION = """
[server]
host: 127.0.0.1
port: {port}
klippy_uds_address: {folder}/no-printer
[machine]
provider: none
validate_service: False
[authorization]
trusted_clients: 127.0.0.1
[webcam printer]
service: mjpegstreamer
stream_url: {stream}
snapshot_url: {snapshot}
[webcam elsewhere]
service: mjpegstreamer
stream_url: {stream}
snapshot_url: {missing}
"""


def check():
    with show() as camera, tempfile.TemporaryDirectory() as folder:
        stream, snapshot = camera.url("/?action=stream"), camera.url("/?action=snapshot")
        port, missing = free_port(), camera.url("/no-such-address")
        for name in ("config", "logs"):
            Path(folder, name).mkdir()
        configuration = Path(folder, "config/moonraker.conf")
        configuration.write_text(CONFIGURATION.format(**locals()))
        server = f"http://127.0.0.1:{port}/server"
        with process([installed("moonraker", "moonraker"), "-d", folder, "-c", str(configuration)], folder):
            info = eventually("Moonraker answers", lambda: requests.get(f"{server}/info").json(), START_SECONDS)
            assert not info["result"]["failed_components"] and not info["result"]["warnings"], info

            def reaches(name):
                answer = requests.post(f"{server}/webcams/test", params={"name": name}).json()["result"]
                return answer["snapshot_reachable"]

            # Moonraker's timeout is one second, and the first snapshot has to start the camera.
            assert reaches("printer"), "Moonraker does not find the camera"
            assert not reaches("elsewhere"), "Moonraker finds a camera that is not there"
            # The addresses that it gives to the printer's page return pictures.
            webcams = requests.get(f"{server}/webcams/list").json()["result"]["webcams"]
            webcam = next(webcam for webcam in webcams if webcam["name"] == "printer")
            with requests.get(webcam["stream_url"], stream=True, timeout=10) as answer:
                count = assert_moving("the stream", jpegs(answer))
            stills = repeated(lambda: decoded(requests.get(webcam["snapshot_url"], timeout=10).content))
            assert_moving("the snapshot", stills)
            version = info["result"]["moonraker_version"]
    return f"{version}: its test of the camera finds the snapshot, and the stream it lists moves in {count} pictures"
