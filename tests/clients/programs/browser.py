"""A headless Chromium, driven through the WebDriver protocol."""

import base64
import contextlib
import tempfile

import requests

from programs.stand import ROOT, decoded, eventually, free_port, process

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1100,900"]
# Key of an element's reference in WebDriver's JSON.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

# Finds an element, also inside shadow roots.
FIND = """
    const [selector] = arguments;
    const within = (root) => {
        const found = root.querySelector(selector);
        if (found) return found;
        for (const { shadowRoot } of root.querySelectorAll('*')) {
            const inside = shadowRoot && within(shadowRoot);
            if (inside) return inside;
        }
        return null;
    };
    return within(document);"""


class Browser:
    def __init__(self, session):
        self.session = session

    def ask(self, method, command, **body):
        """Sends a command of this session and returns its value."""
        answer = requests.request(method, f"{self.session}/{command}", json=body or None, timeout=60)
        value = answer.json()["value"]
        if not answer.ok:
            raise OSError(f"chromedriver refuses {command}: {value['message']}")
        return value

    def go(self, url):
        self.ask("POST", "url", url=url)

    def run(self, script, *arguments):
        return self.ask("POST", "execute/sync", script=script, args=list(arguments))

    def find(self, selector):
        """Waits for the element and returns its reference."""
        return eventually(f"the page has {selector}", lambda: self.run(FIND, selector))[ELEMENT]

    def look(self, selector):
        """Returns the pixels of an element on the screen."""
        return decoded(base64.b64decode(self.ask("GET", f"element/{self.find(selector)}/screenshot")))

    def save(self, name):
        """Saves a screenshot of the page for inspection."""
        picture = ROOT / "target/programs" / f"{name}.png"
        picture.write_bytes(base64.b64decode(self.ask("GET", "screenshot")))


@contextlib.contextmanager
def chromium():
    """A browser with an empty profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port = free_port()
        with process(["chromedriver", f"--port={port}"], folder):
            sessions = f"http://127.0.0.1:{port}/session"
            options = {"args": [*ARGUMENTS, f"--user-data-dir={folder}/profile"]}
            wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
            eventually("chromedriver answers", lambda: requests.get(f"http://127.0.0.1:{port}/status").ok)
            answer = requests.post(sessions, json=wanted, timeout=60).json()["value"]
            assert "sessionId" in answer, f"no browser: {answer}"
            browser = Browser(f"{sessions}/{answer['sessionId']}")
            try:
                yield browser
            finally:
                with contextlib.suppress(requests.RequestException):
                    requests.delete(browser.session, timeout=10)
