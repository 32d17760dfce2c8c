"""Home Assistant: the integration MJPEG IP Camera, its proxied pictures, and the dashboard."""

import json
import tempfile
import time
from pathlib import Path

import requests

from programs.browser import chromium
from programs.stand import START_SECONDS, assert_moving, decoded, eventually, free_port, installed, jpegs, process
from programs.stand import repeated, show

CONFIGURATION = """
http:
  server_host: 127.0.0.1
  server_port: {port}
frontend:
lovelace:
  mode: yaml
"""

DASHBOARD = """
views:
  - panel: true
    cards:
      - {type: picture-entity, entity: camera.printer, camera_view: live}
"""


# Marks these steps of the onboarding as done.
ONBOARDED = {"version": 4, "key": "onboarding", "data": {"done": ["core_config", "analytics", "integration"]}}


def check():
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        Path(folder, "configuration.yaml").write_text(CONFIGURATION.format(port=port))
        Path(folder, "ui-lovelace.yaml").write_text(DASHBOARD)
        Path(folder, ".storage").mkdir()
        Path(folder, ".storage/onboarding").write_text(json.dumps(ONBOARDED))
        # Home Assistant installs the requirements of its integrations at its first start.
        with process([installed("home_assistant", "hass"), "--config", folder], folder):
            server = Server(f"http://127.0.0.1:{port}")
            with show() as camera:
                stills, parts = watch(server, add(server, "printer", camera))
                shown = show_dashboard(server)
            try_credentials(server, folder)
    return (
        f"{server.version}: adds the camera, its stills move ({stills} until all were seen), its stream ({parts}) and "
        f"its dashboard ({shown} looks); takes the right password and refuses a wrong one"
    )


class Server:
    """Home Assistant's API, with the owner that onboarding creates."""

    def __init__(self, url):
        self.url = url
        self.headers = {}
        client = {"client_id": f"{url}/"}
        eventually("Home Assistant answers", lambda: self.ask("GET", "api/onboarding"), 3 * START_SECONDS)
        owner = {"name": "Ann", "username": "ann", "password": "secret", "language": "en"}
        code = self.ask("POST", "api/onboarding/users", json=client | owner)["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code}
        self.tokens = self.ask("POST", "auth/token", data=client | grant)
        self.headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        self.version = self.ask("GET", "api/config")["version"]

    def get(self, path, **options):
        return requests.get(f"{self.url}/{path}", headers=self.headers, timeout=60, **options)

    def ask(self, method, path, **body):
        answer = requests.request(method, f"{self.url}/{path}", headers=self.headers, timeout=60, **body)
        answer.raise_for_status()
        return answer.json()


def add(server, name, camera, **credentials):
    """Submits the form of the integration. Returns the camera's entity, or the form's errors."""
    begun = server.ask("POST", "api/config/config_entries/flow", json={"handler": "mjpeg"})
    answers = {
        "name": name,
        "mjpeg_url": camera.url("/stream?framing=advance"),
        "still_image_url": camera.url("/snapshot"),
        "verify_ssl": True,
        **credentials,
    }
    ended = server.ask("POST", f"api/config/config_entries/flow/{begun['flow_id']}", json=answers)
    if ended["type"] == "form":
        return ended["errors"]
    assert ended["type"] == "create_entry", ended
    entity = f"camera.{name}"
    eventually("the camera is there", lambda: server.get(f"api/states/{entity}").ok)
    return entity


def watch(server, entity):
    """Checks the proxied stills and the proxied stream."""

    def take():
        answer = server.get(f"api/camera_proxy/{entity}")
        answer.raise_for_status()
        return decoded(answer.content)

    stills = assert_moving("the still of Home Assistant", repeated(take))
    with server.get(f"api/camera_proxy_stream/{entity}", stream=True) as answer:
        return stills, assert_moving("the stream of Home Assistant", jpegs(answer))


def show_dashboard(server):
    """Checks the dashboard with the live camera, opened with a stored login."""
    tokens = server.tokens | {"hassUrl": server.url, "clientId": f"{server.url}/"}
    tokens["expires"] = 1000 * (time.time() + tokens["expires_in"])
    with chromium() as browser:
        browser.go(f"{server.url}/manifest.json")
        browser.run("localStorage.setItem('hassTokens', arguments[0])", json.dumps(tokens))
        browser.go(f"{server.url}/lovelace/0")
        picture = "img[src*='camera_proxy_stream']"
        browser.find(picture)
        count = assert_moving("the dashboard", repeated(lambda: browser.look(picture)))
        browser.save("home_assistant")
        return count


def try_credentials(server, folder):
    users = Path(folder, "users")
    users.write_text("ann:secret")
    with show("--auth-file", str(users)) as camera:
        assert add(server, "closed", camera) == {"username": "invalid_auth"}
        assert add(server, "closed", camera, username="ann", password="guess") == {"username": "invalid_auth"}
        watch(server, add(server, "closed", camera, username="ann", password="secret"))
