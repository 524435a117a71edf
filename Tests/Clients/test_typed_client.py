"""A typed client that openapi-python-client generates from /openapi.json."""
import importlib
import io
import subprocess
import sys

import httpx
import pytest
from conftest import FIRST, KEY, PRETRAINED, SECOND


@pytest.fixture(scope="session")
def package(server, tmp_path_factory):
    """The generated package. A warning of the generator, as of a response that it cannot describe, is a failure."""
    folder = tmp_path_factory.mktemp("generated")
    document = folder / "openapi.json"
    document.write_bytes(httpx.get(server.url + "/openapi.json").content)
    subprocess.run(
        ["openapi-python-client", "generate", "--path", document, "--meta", "none", "--output-path", folder / "speech",
         "--fail-on-warning"], check=True)
    sys.path.insert(0, str(folder))
    return importlib.import_module("speech")


@pytest.fixture(scope="session")
def speech(package, server):
    return package.AuthenticatedClient(base_url=server.url, token=KEY, raise_on_unexpected_status=True)


def operation(name):
    return importlib.import_module(f"speech.api.default.{name}")


def models():
    return importlib.import_module("speech.models")


def file_of(recording):
    types = importlib.import_module("speech.types")
    return types.File(payload=io.BytesIO(recording.bytes), file_name=recording.path.name, mime_type="audio/wav")


def test_models(speech):
    answer = operation("list_models").sync(client=speech)
    assert isinstance(answer, models().ModelList)
    assert {model.id for model in answer.data} == {FIRST, SECOND, PRETRAINED}


def test_health(speech):
    assert operation("health").sync(client=speech).status == "ok"


def test_openais_transcription(speech, recording):
    body = models().CreateTranscriptionBody(file=file_of(recording), model=FIRST)
    answer = operation("create_transcription").sync(client=speech, body=body)
    assert isinstance(answer, models().OpenAITranscription)
    assert answer.text == recording.text
    assert answer.usage.seconds == pytest.approx(recording.seconds, abs=1)


def test_transcription(speech, recording):
    answer = operation("transcribe").sync(client=speech, body=file_of(recording), model=FIRST)
    assert isinstance(answer, models().Transcription)
    assert answer.text == recording.text
    assert [word.text for word in answer.words] == recording.text.split()


def test_units(speech, recording):
    answer = operation("units").sync(client=speech, body=file_of(recording), model=PRETRAINED)
    assert isinstance(answer, models().Units)
    assert len(answer.units) == pytest.approx(recording.seconds * answer.rate, abs=1)


def test_error(speech, recording):
    answer = operation("transcribe").sync(client=speech, body=file_of(recording), model="third")
    assert isinstance(answer, models().Error)
    assert (answer.error.code, answer.error.param) == ("model_not_found", "model")
