"""OpenAI's own Python client with the server in place of OpenAI."""
import asyncio
import html
import re

import openai
import pytest
from conftest import FIRST, FOLDER, KEY, SECOND, join, speech, strictly

CAPTION = r"(?:(\d+)\n)?(\d\d:\d\d:\d\d[,.]\d\d\d) --> (\d\d:\d\d:\d\d[,.]\d\d\d)\n(.+)\n"


def ask(client, recording, **parameters):
    parameters = {"model": FIRST, **parameters}
    with open(recording.path, "rb") as file:
        return client.audio.transcriptions.create(file=file, **parameters)


# MARK: Formats


def test_json(client, recording):
    answer = strictly(ask(client, recording))
    assert answer.text == recording.text
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(recording.seconds, abs=1)


def test_text(client, recording):
    assert ask(client, recording, response_format="text").strip() == recording.text


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles(client, long_recording, kind):
    answer = ask(client, long_recording, response_format=kind)
    assert answer.startswith("WEBVTT\n\n" if kind == "vtt" else "1\n")
    captions = re.findall(CAPTION, html.unescape(answer) if kind == "vtt" else answer)
    assert " ".join(text for *_, text in captions).split() == long_recording.text.split()
    times = [(start, end) for _, start, end, _ in captions]
    assert len(times) > 5 and times == sorted(times) and all(start < end for start, end in times)


def test_verbose_json_has_segments(client, long_recording):
    answer = strictly(ask(client, long_recording, response_format="verbose_json"))
    assert answer.text == long_recording.text
    assert answer.duration == pytest.approx(long_recording.seconds, abs=0.01)
    assert [word.word for word in answer.words] == long_recording.text.split()
    assert " ".join(segment.text.strip() for segment in answer.segments).split() == long_recording.text.split()
    assert [segment.id for segment in answer.segments] == list(range(len(answer.segments)))
    assert all(0 <= segment.start < segment.end <= answer.duration for segment in answer.segments)


@pytest.mark.parametrize("wanted", [["word"], ["segment"], ["word", "segment"]], ids="+".join)
def test_timestamp_granularities(client, recording, wanted):
    answer = strictly(ask(client, recording, response_format="verbose_json", timestamp_granularities=wanted))
    assert (answer.words is not None) == ("word" in wanted)
    assert (answer.segments is not None) == ("segment" in wanted)
    if answer.words is not None:
        assert [word.word for word in answer.words] == recording.text.split()
        assert all(0 <= word.start <= word.end <= answer.duration for word in answer.words)


# MARK: Streams


def events_of(stream):
    return [strictly(event) for event in stream]


def test_stream(client, recording):
    *deltas, done = events_of(ask(client, recording, stream=True))
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert "".join(event.delta for event in deltas) == recording.text
    assert (done.type, done.text) == ("transcript.text.done", recording.text)


def test_stream_of_a_long_recording_comes_as_it_is_recognized(client, long_recording):
    *deltas, done = events_of(ask(client, long_recording, stream=True))
    assert "".join(event.delta for event in deltas) == done.text == long_recording.text


# MARK: Models


def test_models(client):
    models = [strictly(model) for model in client.models.list()]
    assert {model.id for model in models} >= {FIRST, SECOND}
    assert all(model.object == "model" for model in models)
    assert strictly(client.models.retrieve(SECOND)).id == SECOND


def test_a_second_model_is_loaded_when_it_is_asked_for(client, recording):
    assert ask(client, recording, model=SECOND).text == recording.text


# MARK: Errors


def refused(error, status, **fields):
    """Whether an error is in OpenAI's form."""
    assert error.status_code == status
    assert isinstance(error.body["message"], str) and error.body["message"]
    assert error.type and error.code
    for name, value in fields.items():
        assert getattr(error, name) == value


def test_wrong_key(server, recording):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="another", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as found:
            ask(client, recording)
    refused(found.value, 401, code="invalid_api_key")
    assert found.value.response.headers["www-authenticate"].startswith("Bearer")


def test_unknown_model(client, recording):
    with pytest.raises(openai.NotFoundError) as found:
        ask(client, recording, model="third")
    refused(found.value, 404, code="model_not_found", param="model")
    with pytest.raises(openai.NotFoundError) as found:
        client.models.retrieve("third")
    refused(found.value, 404, code="model_not_found")


def test_unknown_format(client, recording):
    with pytest.raises(openai.BadRequestError) as found:
        ask(client, recording, response_format="yaml")
    refused(found.value, 400, param="response_format")


def test_what_is_no_audio(client):
    with pytest.raises(openai.UnprocessableEntityError) as found:
        client.audio.transcriptions.create(model=FIRST, file=("notes.wav", b"no audio at all" * 100))
    refused(found.value, 422)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_translations_are_refused_in_openais_form(client, recording):
    with pytest.raises(openai.APIStatusError) as found, open(recording.path, "rb") as file:
        client.audio.translations.create(model=FIRST, file=file)
    refused(found.value, found.value.status_code)
    assert found.value.status_code in (400, 404)


def limited(server, **more):
    return openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none", **more)


def test_too_large(strict_server):
    client = limited(strict_server, max_retries=0)
    with pytest.raises(openai.APIStatusError) as found:
        asyncio.run(client.audio.transcriptions.create(model="any", file=("large.wav", bytes(2 << 20))))
    refused(found.value, 413)


def test_too_long(strict_server):
    client = limited(strict_server, max_retries=0)
    with pytest.raises(openai.APIStatusError) as found:
        asyncio.run(client.audio.transcriptions.create(model="any", file=join(speech(FOLDER), FOLDER / "30s.wav", 30)))
    refused(found.value, 413)


def test_too_many(strict_server, recordings):
    """Without retries the client tells of the limit; with them, everybody is served."""
    async def ask_all(client):
        asked = [
            client.audio.transcriptions.create(model="any", file=(recording.path.name, recording.bytes))
            for recording in recordings[:32]]
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask_all(limited(strict_server, max_retries=0)))
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert errors and all(type(error) is openai.RateLimitError for error in errors)
    refused(errors[0], 429)
    assert int(errors[0].response.headers["retry-after"]) >= 1
    for answer, recording in zip(answers, recordings):
        assert isinstance(answer, Exception) or answer.text == recording.text


# MARK: Many at once


def test_each_of_many_gets_its_own_answer(server, recordings):
    async def ask_all():
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key=KEY) as client:
            asked = [
                client.audio.transcriptions.create(model=FIRST, file=(recording.path.name, recording.bytes))
                for recording in recordings[:50]]
            return await asyncio.gather(*asked)

    assert [answer.text for answer in asyncio.run(ask_all())] == [recording.text for recording in recordings[:50]]
