"""The clients of Examples/Realtime, in Swift and in JavaScript."""
import shutil
import subprocess

import pytest
from conftest import ROOT

EXAMPLE = ROOT / "Examples/Realtime"


@pytest.fixture(scope="session")
def swift_client():
    command = ["swift", "build", "--package-path", EXAMPLE, "--scratch-path", ROOT / ".build/realtime"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return ROOT / ".build/realtime/debug/Realtime"


def printed(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout.split()


def is_like(text, recording):
    """Live text depends a little on how busy the machine is; with a model of random weights, the ends of pieces do."""
    return text and abs(len(" ".join(text)) - len(recording.text)) < 0.2 * len(recording.text)


def test_swift(swift_client, strict_server, recording):
    assert is_like(printed(swift_client, "127.0.0.1", str(strict_server.port), recording.path), recording)


def test_javascript(strict_server, recording):
    options = [] if has_websockets() else ["--experimental-websocket"]
    if not has_websockets(*options):
        pytest.skip("there is no Node.js with WebSockets (version 22, or 20 with an option)")
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ recognize }} from "{EXAMPLE / "realtime.mjs"}";
        const file = new Uint8Array(readFileSync("{recording.path}")).buffer;
        await recognize("ws://127.0.0.1:{strict_server.port}/v1/live", file, console.log);
        """
    assert is_like(printed("node", *options, "--input-type=module", "-e", script), recording)


def test_the_guide_shows_the_client_in_javascript():
    guide = (ROOT / "Documentation/wav2vec2.docc/Serving.md").read_text()
    shown = guide.partition("```javascript\n")[2].partition("```")[0]
    assert shown and (EXAMPLE / "realtime.mjs").read_text().endswith(shown)


def has_websockets(*options):
    if not shutil.which("node"):
        return False
    asked = subprocess.run(["node", *options, "-p", "typeof WebSocket"], capture_output=True, text=True)
    return asked.stdout.strip() == "function"
