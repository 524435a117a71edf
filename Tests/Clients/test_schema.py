"""Whether the server keeps what its /openapi.json promises: schemathesis tries it with valid and invalid requests."""
import os
import subprocess
import sys

from conftest import FIRST, KEY, PRETRAINED, ROOT, SECOND

HERE = ROOT / "Tests/Clients"


def test_every_operation_keeps_its_promises(server, recordings, tmp_path):
    """All checks, the same requests each time; the configuration beside this file says what differs from the usual."""
    recording = min(recordings, key=lambda recording: recording.seconds)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml",
        "run", server.url + "/openapi.json"]
    environment = {
        **os.environ, "SCHEMATHESIS_KEY": KEY, "SCHEMATHESIS_RECORDING": str(recording.path),
        "SCHEMATHESIS_MODELS": f"{FIRST},{SECOND},{PRETRAINED}", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, "\n" + done.stdout
    print(done.stdout[-1500:])
