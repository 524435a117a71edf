"""The WebSocket /v1/live with the client of Python's `websockets`."""
import asyncio
import json

import pytest
import websockets
from conftest import KEY

PIECE = 6_400
"""A fifth of a second."""


def address(server, query=""):
    return server.url.replace("http://", "ws://") + "/v1/live" + query


def opened(server, query="", key=KEY, **options):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return websockets.connect(address(server, query), additional_headers=headers, proxy=None, **options)


def converse(server, messages, query="", **options):
    """Sends messages; returns the events, the close code and its reason."""
    async def run():
        # Not in `async with`: websockets fails to close what the server closed while much was still to be sent.
        socket = await opened(server, query, **options)
        try:
            async def send():
                for message in messages:
                    await socket.send(message)

            sending = asyncio.create_task(send())
            events = []
            try:
                while True:
                    events.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
            except websockets.ConnectionClosed:
                pass
            try:
                await sending
            except websockets.ConnectionClosed:
                pass
            return events, socket.close_code, socket.close_reason
        finally:
            socket.transport.close()

    return asyncio.run(run())


def pieces(data, size=PIECE):
    return [data[at : at + size] for at in range(0, len(data), size)]


def finals(events):
    found = [event for event in events if event["event"] == "final"]
    for event in found:
        assert event["start"] <= event["end"] and 0 <= event["confidence"] <= 1
        assert " ".join(word["text"] for word in event["words"]) == event["text"]
    assert all(one["end"] <= next["start"] for one, next in zip(found, found[1:]))
    return " ".join(event["text"] for event in found)


def test_speech(server, long_recording):
    events, code, _ = converse(server, [*pieces(long_recording.samples), "end"])
    assert {event["event"] for event in events} <= {"partial", "final"}
    assert finals(events)
    assert code == 1000


def test_samples_may_be_split_anywhere(server, recording):
    whole, *_ = converse(server, [recording.samples, "end"])
    odd, code, _ = converse(server, [*pieces(recording.samples, 6_401), "end"])
    assert finals(whole) and finals(odd) and code == 1000
    assert [e["end"] for e in odd if e["event"] == "final"][-1] == pytest.approx(
        [e["end"] for e in whole if e["event"] == "final"][-1], abs=0.5)


def test_a_file_in_wav_is_understood(server, recording):
    raw, *_ = converse(server, [recording.samples, "end"])
    events, code, _ = converse(server, [recording.bytes, "end"])
    assert finals(events) == finals(raw) and code == 1000


def test_a_fragmented_message(server, recording):
    async def run():
        async with opened(server) as socket:
            await socket.send(iter(pieces(recording.samples)))
            await socket.send("end")
            return [json.loads(message) async for message in socket], socket.close_code

    events, code = asyncio.run(run())
    assert finals(events) and code == 1000


def test_ping(server):
    async def run():
        async with opened(server) as socket:
            await asyncio.wait_for(await socket.ping(b"are you there"), 10)

    asyncio.run(run())


@pytest.mark.parametrize("messages, query, expected", [
    (["end of what"], "", 1008),
    ([], "?rate=10", 1008),
    ([], "?speed=2", 1008),
    ([bytes((4 << 20) + 2)], "", 1009),
    ([b"fLaC" + bytes(4_000)], "", 1003),
], ids=["unknown text", "rate", "parameter", "long message", "FLAC"])
def test_errors_are_told_before_the_server_closes(server, messages, query, expected):
    events, code, _ = converse(server, messages, query)
    assert code == expected
    assert events[-1]["event"] == "error" and len(events[-1]["message"]) > 10


def test_a_wrong_key_is_refused(server):
    for key in ("another", None):
        with pytest.raises(websockets.InvalidStatus) as found:
            converse(server, [], key=key)
        assert found.value.response.status_code == 401


def test_a_key_as_browsers_send_it(server):
    """Browsers cannot send headers with a WebSocket: the key is one of the protocols, as in OpenAI's realtime API."""
    async def run():
        protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
        async with websockets.connect(address(server), subprotocols=protocols, proxy=None) as socket:
            assert socket.subprotocol == "realtime"
            await socket.send("end")
            async for _ in socket:
                pass
            return socket.close_code

    assert asyncio.run(run()) == 1000
