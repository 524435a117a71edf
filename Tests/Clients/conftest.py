"""What the tests of clients share: a running server, real recordings, and their texts.

Scripts/check-clients installs the packages and runs the tests. Recordings and the program are what Scripts/serving says;
WAV2VEC2_PROGRAM and WAV2VEC2_CHECKPOINT replace program and model.
"""
import os
import pathlib
import sys

import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Scripts/serving"))

from program import PRETRAINED_MODEL, RELEASE, SMALL_MODEL, Server  # noqa: E402
from recordings import join, speech, transcribed  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("WAV2VEC2_PROGRAM") or RELEASE)
CHECKPOINT = pathlib.Path(os.environ.get("WAV2VEC2_CHECKPOINT") or SMALL_MODEL)
FOLDER = ROOT / ".build/serving"
KEY = "a-key-for-the-tests-of-clients"
FIRST, SECOND, PRETRAINED = "first", "second", "pretrained"
"""The names of the server's models; the last one writes no text, but units."""


@pytest.fixture(scope="session")
def recordings():
    """Real recordings of 0.5 to 7 s with the texts that `transcribe` prints."""
    return transcribed(speech(FOLDER), CHECKPOINT, PROGRAM)


@pytest.fixture(scope="session")
def recording(recordings):
    """One of a few seconds."""
    return max(recordings, key=lambda recording: recording.seconds)


@pytest.fixture(scope="session")
def long_recording():
    """One of several windows."""
    file = join(speech(FOLDER), FOLDER / "long.wav", 95)
    return transcribed([file], CHECKPOINT, PROGRAM)[0]


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# whose key this is\n{KEY}\n")
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def server(key_file):
    """A server of three models that demands a key."""
    models = (f"{FIRST}={CHECKPOINT}", f"{SECOND}={CHECKPOINT}", f"{PRETRAINED}={PRETRAINED_MODEL}")
    with Server("--api-key-file", key_file, executable=PROGRAM, checkpoints=models) as server:
        yield server


@pytest.fixture(scope="session")
def strict_server():
    """A server with low limits: one request waits, 1 MB, 20 s."""
    options = ("--max-waiting", 1, "--max-upload-mb", 1, "--max-audio-seconds", 20)
    with Server(*options, executable=PROGRAM, checkpoints=(CHECKPOINT,)) as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key=KEY, max_retries=0) as client:
        yield client


def strictly(value):
    """The value, checked against all that its type declares.

    The client builds answers without looking whether fields are there and of their type; typed clients in other languages
    refuse such answers.
    """
    return type(value).model_validate(value.to_dict(mode="python"), strict=True)
