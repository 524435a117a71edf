"""What the tests of the page share: the server, the browser, recordings. `Scripts/check-page` runs them."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import wave

import pytest
from playwright.sync_api import sync_playwright

PROGRAM = os.environ["WAV2VEC2_PROGRAM"]
RECOGNIZER = pathlib.Path(os.environ["WAV2VEC2_RECOGNIZER"])

sys.dont_write_bytecode = True


# --- Recordings


@dataclasses.dataclass(frozen=True)
class Speech:
    """A recording that the model knows by heart, and what is said in it."""

    path: pathlib.Path
    text: str

    @property
    def seconds(self):
        with wave.open(str(self.path)) as file:
            return file.getnframes() / file.getframerate()


@pytest.fixture(scope="session")
def speeches():
    """The recordings that the model knows, those with most words first."""
    root, *lines = (RECOGNIZER / "recordings.tsv").read_text().splitlines()
    texts = (RECOGNIZER / "recordings.wrd").read_text().splitlines()
    known = [Speech(pathlib.Path(root) / line.split("\t")[0], text) for line, text in zip(lines, texts)]
    return sorted(known, key=lambda speech: -len(speech.text.split()))


@pytest.fixture(scope="session")
def speech(speeches):
    return speeches[0]


@pytest.fixture(scope="session")
def long_recording(speeches, tmp_path_factory):
    """All of the recordings one after the other, with a second of silence between them, until it is over a minute."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    with wave.open(str(path), "wb") as output:
        output.setparams((1, 2, 16000, 0, "NONE", ""))
        while output.tell() < 65 * 16000:
            for speech in speeches:
                with wave.open(str(speech.path)) as file:
                    output.writeframes(file.readframes(file.getnframes()) + bytes(2 * 16000))
    return path


# --- The server


@contextlib.contextmanager
def serving(*arguments, checkpoint=RECOGNIZER / "best"):
    """Runs the program's server, and yields its address and process."""
    command = [PROGRAM, "serve", "--checkpoint", str(checkpoint), "--port", "0", "--json", "--quiet", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line, f"the server did not start: {' '.join(command)}"
        yield json.loads(line)["url"].rstrip("/") + "/", process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture(scope="session")
def server():
    with serving() as (url, _):
        yield url


# --- The browser

# One font, whatever else is installed, so that pictures agree.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts/truetype/dejavu</dir>
  <cachedir>{cache}</cachedir>
  <match target="pattern">
    <edit name="family" mode="assign" binding="strong"><string>DejaVu Sans</string></edit>
  </match>
</fontconfig>
"""


@pytest.fixture(scope="session")
def spoken(speech, tmp_path_factory):
    """What the microphone hears again and again: the recording, and silence."""
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    with wave.open(str(speech.path)) as file, wave.open(str(path), "wb") as output:
        output.setparams(file.getparams())
        output.writeframes(file.readframes(file.getnframes()) + bytes(2 * 2 * 16000))
    return path


@pytest.fixture(scope="session")
def browser(spoken, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS.format(cache=folder))
    arguments = [
        # Without a graphics card, drawing by its emulator takes several times as long as drawing without one.
        "--disable-gpu",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
        "--autoplay-policy=no-user-gesture-required",
        "--force-color-profile=srgb",
        "--font-render-hinting=none",
        "--disable-lcd-text",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=arguments, env={**os.environ, "FONTCONFIG_FILE": str(fonts)}
        )
        yield browser
        browser.close()


class Page:
    """The page in a browser's tab, with what its tests say often."""

    def __init__(self, tab):
        self.tab = tab
        self.problems = []
        # Long enough for a machine that is busy with other work.
        tab.set_default_timeout(120_000)
        self.expected_statuses = set()
        tab.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        tab.on("console", self.hear)
        tab.on("request", self.see)

    def hear(self, message):
        # A browser reports refused requests, which some tests ask for.
        isExpected = any(f"status of {status}" in message.text for status in self.expected_statuses)
        if message.type in ("error", "warning") and not isExpected:
            self.problems.append(f"console: {message.text} ({message.location})")

    def see(self, request):
        own = tuple(self.address.replace("http", scheme, 1) for scheme in ("http", "ws")) + ("blob:" + self.address, "data:")
        if not request.url.startswith(own):
            self.problems.append(f"a request to another host: {request.url}")

    def open(self, address):
        self.address = address
        self.tab.goto(address)
        self.until("document.getElementById('facts').textContent != ''")
        return self

    def give(self, *paths):
        """Chooses files, and waits until each is recognized or refused."""
        before = self.items.count()
        self.tab.set_input_files("#files", [str(path) for path in paths])
        self.settle(before + len(paths))

    def settle(self, count):
        self.until(
            "count => document.querySelectorAll('#list li').length == count"
            " && !document.querySelector('#list progress:not([hidden])')"
            " && !/waiting/.test(document.getElementById('list').textContent)",
            count,
            seconds=120,
        )

    @property
    def items(self):
        return self.tab.locator("#list li")

    @property
    def words(self):
        return self.tab.locator("#words .word")

    @property
    def texts(self):
        return self.words.all_text_contents()

    @property
    def text(self):
        return " ".join(self.texts)

    @property
    def status(self):
        return self.tab.text_content("#status")

    def press(self, *keys):
        for key in keys:
            self.tab.keyboard.press(key)

    def type(self, text):
        self.tab.keyboard.type(text)

    def evaluate(self, script, argument=None):
        return self.tab.evaluate(script, argument)

    def until(self, script, argument=None, seconds=60):
        """Waits until a script is true. (Playwright's own way evaluates it in the page, which the page's policy refuses.)"""
        end = time.monotonic() + seconds
        while not self.tab.evaluate(script, argument):
            assert time.monotonic() < end, f"not within {seconds} s: {script}"
            self.tab.wait_for_timeout(20)

    def saved(self, format):
        """Downloads the transcript in a format, and returns the file's name and bytes."""
        self.tab.check(f"input[name=format][value={format}]")
        with self.tab.expect_download() as download:
            self.tab.click("#download")
        return download.value.suggested_filename, pathlib.Path(download.value.path()).read_bytes()


@pytest.fixture
def opened(browser):
    """A function that opens the page of a server in a context of its own; no test may leave an error in the console."""
    pages = []

    def open(address, prepare=lambda tab: None, statuses=(), **context):
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 900}, "accept_downloads": True, **context})
        context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        page = Page(context.new_page())
        pages.append((page, context))
        page.expected_statuses.update(statuses)
        prepare(page.tab)
        return page.open(address)

    yield open
    problems = [problem for page, _ in pages for problem in page.problems]
    for _, context in pages:
        context.close()
    assert not problems


@pytest.fixture
def page(opened, server):
    return opened(server)


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 1}
