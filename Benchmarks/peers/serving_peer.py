#!/usr/bin/env python3
"""A server of uvicorn and ONNX Runtime: a recording in the body of POST /transcribe, its text in JSON.

As one would build it with care: a single session that all threads compute for, a queue in front of it, decoding and
writing on other threads, uvicorn's compiled parser and event loop. What waits in the queue goes through the model
together, up to --batch recordings of the same length: others would have to be padded, which this model's group
normalization notices.
"""
import argparse
import asyncio
import collections
import contextlib
import io
import json
import pathlib

import numpy
import onnxruntime
import soundfile
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of the exported model and its vocabulary")
parser.add_argument("--threads", type=int, default=2, help="threads that compute")
parser.add_argument("--batch", type=int, default=1, help="the most recordings that go through the model together")
parser.add_argument("--port", type=int, default=0)
found = parser.parse_args()

settings = onnxruntime.SessionOptions()
settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
settings.intra_op_num_threads = found.threads
settings.inter_op_num_threads = 1
# Threads that spin between requests would take the processor from the rest of the server.
settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(found.models / "base.onnx", settings, providers=["CPUExecutionProvider"])
letters = {number: symbol for symbol, number in json.loads((found.models / "base/vocab.json").read_text()).items()}
for number, symbol in letters.items():
    letters[number] = {"|": " ", "<pad>": "", "<s>": "", "</s>": ""}.get(symbol, symbol)

waiting = collections.deque()
arrived = asyncio.Event()


def samples(file):
    """One channel at 16 kHz, with mean 0 and variance 1."""
    audio, rate = soundfile.read(io.BytesIO(file), dtype="float32")
    if rate != 16_000 or audio.ndim != 1:
        raise ValueError("the audio must have one channel at 16 kHz")
    return (audio - audio.mean()) / numpy.sqrt(audio.var() + 1e-7)


def text(scores):
    """CTC's most probable symbols, without repetitions and blanks. scores: [frames, symbols]."""
    symbols = scores.argmax(-1)
    symbols = symbols[numpy.insert(symbols[1:] != symbols[:-1], 0, True)]
    return " ".join("".join(letters[symbol] for symbol in symbols.tolist()).split())


async def recognize():
    """Takes what waits, of one length, and lets it through the model."""
    while True:
        while not waiting:
            arrived.clear()
            await arrived.wait()
        batch = [waiting.popleft()]
        while waiting and len(batch) < found.batch and len(waiting[0][0]) == len(batch[0][0]):
            batch.append(waiting.popleft())
        audio = numpy.stack([audio for audio, _ in batch])
        logits, = await asyncio.to_thread(session.run, None, {"audio": audio})
        for (_, answer), scores in zip(batch, logits):
            if not answer.done():
                answer.set_result(scores)


async def transcribe(request):
    try:
        audio = await asyncio.to_thread(samples, await request.body())
    except (ValueError, soundfile.LibsndfileError) as error:
        return JSONResponse({"error": {"message": str(error)}}, 422)
    answer = asyncio.get_running_loop().create_future()
    waiting.append((audio, answer))
    arrived.set()
    return JSONResponse({"text": text(await answer), "duration": len(audio) / 16_000})


async def health(_):
    return JSONResponse({"status": "ok"})


@contextlib.asynccontextmanager
async def lifespan(_):
    task = asyncio.create_task(recognize())
    yield
    task.cancel()


class Announcing(uvicorn.Server):
    """Prints the address, as `wav2vec2 serve --json` does."""

    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"event": "ready", "url": f"http://127.0.0.1:{port}"}), flush=True)


routes = [Route("/transcribe", transcribe, methods=["POST"]), Route("/health", health)]
config = uvicorn.Config(
    Starlette(routes=routes, lifespan=lifespan), host="127.0.0.1", port=found.port, loop="uvloop", http="httptools",
    log_level="warning", access_log=False)
Announcing(config).run()
