"""The program as a server, for the checks that use it from outside."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = ROOT / ".build/release/wav2vec2"
SMALL_MODEL = ROOT / "Tests/Fixtures/golden/hf_base_ctc"
"""A model with random weights: every recording gets a text of its own, in letters without sense."""

PRETRAINED_MODEL = ROOT / "Tests/Fixtures/golden/hf_base_pretrain"
"""The same before fine-tuning."""


class Server:
    """A server in a process of its own, from `with` until its end.

    executable: the program; checkpoints, options: what `serve` gets; environment: variables that it gets in addition.
    """

    ends_with = 128 + signal.SIGTERM
    """The exit code after SIGTERM."""

    def __init__(self, *options, executable=RELEASE, checkpoints=(SMALL_MODEL,), environment=None):
        if not pathlib.Path(executable).exists():
            raise FileNotFoundError(f"there is no {executable}; run make build first")
        self.command = [str(executable), "serve", "--port", "0", "--json", "--quiet"]
        for checkpoint in checkpoints:
            self.command += ["--checkpoint", str(checkpoint)]
        self.command += [str(option) for option in options]
        self.environment = {**os.environ, **(environment or {})}

    def __enter__(self):
        self.errors = tempfile.TemporaryFile("w+")
        self.output = tempfile.NamedTemporaryFile("r")
        with open(self.output.name, "w") as output:
            self.process = subprocess.Popen(
                self.command, stdout=output, stderr=self.errors, env=self.environment)
        self.ready = self._first_object()
        self.url = self.ready["url"].rstrip("/")
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def _first_object(self):
        """The line that the server prints when it is ready. (The lines for requests stay in the file.)"""
        while True:
            line = self.output.readline()
            if line.endswith("\n"):
                return json.loads(line)
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: {self._complaints()}")
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                pass

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        complaints = self._complaints()
        if self.process.returncode != self.ends_with:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {complaints}")

    def _complaints(self):
        self.errors.seek(0)
        return self.errors.read()[-2000:]

    def requests(self):
        """What the server has reported about requests since the last call, one dictionary for each."""
        return [json.loads(line) for line in self.output if line.endswith("\n")]

    def memory(self, field="VmRSS"):
        """Resident memory in MB; with VmHWM, its peak."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"/proc has no {field}")

    def cpu_seconds(self):
        """Seconds that the server's threads have computed."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
