#!/usr/bin/env python3
"""The server under load; run by Scripts/check-load, which says what is checked."""
import argparse
import asyncio
import collections
import difflib
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

import websockets
from http_client import Connection, form, get, post
from program import RELEASE, ROOT, SMALL_MODEL, Server
from recordings import RATE, join, speech, transcribed

PIECE = 0.2
"""Seconds of audio in a message of live speech."""


def say(text):
    print(f"check-load: {text}", file=sys.stderr, flush=True)


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Figures:
    """What a class of requests measured."""

    def __init__(self):
        self.seconds = []
        self.wrong = collections.Counter()

    def row(self, name, clients, elapsed):
        found = [f"{quantile(self.seconds, share):.3f}" for share in (0.5, 0.95, 0.99, 1)] if self.seconds else ["-"] * 4
        rate = len(self.seconds) / elapsed
        return f"| {name} | {clients} | {len(self.seconds)} | {rate:.1f} | {' | '.join(found)} |"


HEADER = """\
| class | clients | answers | per second | p50 s | p95 s | p99 s | most s |
|---|---:|---:|---:|---:|---:|---:|---:|"""


class Memory:
    """Samples the resident memory of a server twice a second, while it is entered."""

    def __init__(self, server):
        self.server, self.samples = server, []

    async def __aenter__(self):
        self.task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()

    async def _sample(self):
        began = time.perf_counter()
        while True:
            self.samples.append((time.perf_counter() - began, self.server.memory()))
            await asyncio.sleep(0.5)

    def slope(self):
        """MB a minute over the later half."""
        later = self.samples[len(self.samples) // 2 :]
        return statistics.linear_regression(*zip(*later)).slope * 60


# MARK: Clients


async def recognize(server, recordings, figures, end, seed):
    """Sends one recording after another on one connection; both of the server's APIs in turn."""
    random_ = random.Random(seed)
    connection = await Connection.open(server.port)
    turn = seed
    while time.perf_counter() < end:
        recording = random_.choice(recordings)
        turn += 1
        if turn % 2:
            request = post("/v1/transcribe", recording.bytes)
        else:
            request = form("/v1/audio/transcriptions", recording.path.name, recording.bytes, model="any")
        began = time.perf_counter()
        status, body = await connection.ask(request)
        if status != 200:
            figures.wrong[f"{status} {body[:200].decode(errors='replace')}"] += 1
            await asyncio.sleep(1)
        elif json.loads(body)["text"] != recording.text:
            figures.wrong[f"{recording.path.name} got another text: {json.loads(body)['text'][:80]}"] += 1
        else:
            figures.seconds.append(time.perf_counter() - began)
    connection.close()


async def speak(server, recordings, figures, end, seed):
    """Sends one recording after another as if it were spoken; times are from the end of speech to the last event."""
    random_ = random.Random(seed)
    await asyncio.sleep(random_.random() * 2)
    while time.perf_counter() < end:
        recording = random_.choice(recordings)
        samples = recording.samples
        size = int(2 * RATE * PIECE)
        async with websockets.connect(
            f"ws://127.0.0.1:{server.port}/v1/live?rate={RATE}", proxy=None, compression=None, open_timeout=30,
        ) as socket:
            due = time.perf_counter()
            for at in range(0, len(samples), size):
                await socket.send(samples[at : at + size])
                due += PIECE
                await asyncio.sleep(max(0, due - time.perf_counter()))
            began = time.perf_counter()
            await socket.send("end")
            events = [json.loads(message) async for message in socket]
        text = " ".join(event["text"] for event in events if event["event"] == "final")
        if socket.close_code != 1000 or any(event["event"] == "error" for event in events):
            figures.wrong[f"closed with {socket.close_code}: {events[-1:]}"] += 1
        elif nearest(text, recordings) is not recording:
            figures.wrong[f"{recording.path.name} got another text live: {text[:80]}"] += 1
        else:
            figures.seconds.append(time.perf_counter() - began)


def nearest(text, recordings):
    """The recording whose text is the most like this one. (Live text depends on how busy the machine is.)"""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)
    best, most = None, -1.0
    for recording in recordings:
        matcher.set_seq1(recording.text)
        if matcher.real_quick_ratio() > most and matcher.quick_ratio() > most and (ratio := matcher.ratio()) > most:
            best, most = recording, ratio
    return best


async def mixed(server, classes, seconds):
    """Runs clients of several classes at once: (name, client, count, recordings). Returns table lines, figures, memory."""
    figures = {name: Figures() for name, *_ in classes}
    began = time.perf_counter()
    async with Memory(server) as memory:
        await asyncio.gather(*[
            client(server, recordings, figures[name], began + seconds, seed)
            for name, client, count, recordings in classes for seed in range(count)])
        elapsed = time.perf_counter() - began
    rows = [figures[name].row(name, count, elapsed) for name, _, count, _ in classes]
    return rows, figures, memory


async def repeat(server, request, count, connections, reconnects=False):
    """Repeats a request; returns the duration of each, and the total, in seconds."""
    seconds, left = [], count

    async def client():
        nonlocal left
        connection = None
        while left > 0:
            left -= 1
            began = time.perf_counter()
            connection = connection or await Connection.open(server.port)
            status, body = await connection.ask(request)
            seconds.append(time.perf_counter() - began)
            if reconnects:
                connection.close()
                connection = None
            if status != 200:
                raise RuntimeError(f"a request was answered with {status}: {body[:200]}")
        if connection:
            connection.close()

    began = time.perf_counter()
    await asyncio.gather(*[client() for _ in range(connections)])
    return seconds, time.perf_counter() - began


# MARK: Checks


class Checks:
    def __init__(self, options):
        self.options = options
        self.problems = []
        paths = speech(ROOT / ".build/serving")
        self.all = transcribed(paths, options.checkpoint, options.program[0])
        self.short = [recording for recording in self.all if 2 <= recording.seconds <= 7]
        folder = ROOT / ".build/serving"
        long = [join(paths[start:] + paths[:start], folder / f"long-{start}.wav", 65 + start) for start in range(0, 40, 8)]
        self.long = transcribed(long, options.checkpoint, options.program[0])
        self.second = join(paths, folder / "second.wav", 1).read_bytes()
        half_hour = folder / "half-hour.opus"
        if not half_hour.exists():
            wav = join(paths, folder / "half-hour.wav", 1800)
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", wav, "-b:a", "14k", half_hour], check=True)
            wav.unlink()
        self.half_hour = half_hour.read_bytes()

    def server(self, program, *options):
        return Server(*options, executable=program, checkpoints=[self.options.checkpoint])

    def complain(self, text):
        self.problems.append(text)
        say(f"WRONG: {text}")

    def no_errors(self, figures):
        for name, found in figures.items():
            for text, count in found.wrong.most_common(5):
                self.complain(f"{count} × {name}: {text}")
            if not found.seconds:
                self.complain(f"{name}: no answer at all")

    def crowd(self):
        """200 clients of three classes."""
        seconds, clients = self.options.seconds, self.options.clients
        long, live = max(1, clients // 20), max(1, clients // 5)
        classes = [
            ("short, 2 to 7 s", recognize, clients - long - live, self.short),
            ("long, 65 to 97 s", recognize, long, self.long),
            ("live, after the end of speech", speak, live, self.short),
        ]
        with self.server(self.options.program[0], "--max-waiting", 4 * clients) as server:
            rows, figures, memory = asyncio.run(mixed(server, classes, seconds))
            print(f"\n{clients} clients for {seconds:.0f} s, every answer compared with its own file's text:\n")
            print(HEADER, *rows, sep="\n")
            levels = [level for _, level in memory.samples]
            print(f"\nMemory: {levels[0]:.0f} MB at first, {max(levels):.0f} at most, {levels[-1]:.0f} at last; "
                  f"{memory.slope():+.1f} MB a minute in the later half.")
            self.no_errors(figures)
            if memory.slope() > self.options.most_slope:
                self.complain(f"memory grows by {memory.slope():.1f} MB a minute")

    def fairness(self):
        """Times short recordings alone, and while there are always long ones in the queue."""
        seconds = self.options.seconds / 3
        few, one, many = (
            ("short", recognize, 4, self.short), ("long alone", recognize, 1, self.long),
            ("long beside", recognize, 16, self.long))
        with self.server(self.options.program[0]) as server:
            rows, alone, _ = asyncio.run(mixed(server, [few], seconds))
            more, long, _ = asyncio.run(mixed(server, [one], seconds))
            beside, both, _ = asyncio.run(mixed(server, [("short beside", *few[1:]), many], seconds))
            behind, after, _ = asyncio.run(self.behind_half_hours(server, ("short behind half hours", *few[1:]), seconds))
        print("\nFour clients with short recordings and one with long ones alone, four beside sixteen, and four that come "
              "after eight uploads of half an hour in 3 MB:\n")
        print(HEADER, *rows, *more, *beside, *behind, sep="\n")
        for figures in (alone, long, both, after):
            self.no_errors(figures)
        if self.problems:
            return
        # The shortest of the long ones has two windows. A short one may wait for the window that the model is at, and
        # for a second one that began while it was being decoded.
        window = quantile(long["long alone"].seconds, 0.5) / 2
        # Beside half hours, decoding takes a core from the model, whose windows then take up to twice as long.
        usual = quantile(alone["short"].seconds, 0.95)
        bounds = usual + 3 * window, usual + 6 * window
        print(f"\nA window of a long recording takes {window:.3f} s; p95 of short ones may be {bounds[0]:.3f} s beside long "
              f"ones, and {bounds[1]:.3f} s behind half hours.")
        for figures, name, bound in ((both, "short beside", bounds[0]), (after, "short behind half hours", bounds[1])):
            found = quantile(figures[name].seconds, 0.95)
            if found > bound:
                self.complain(f"{name}: p95 is {found:.3f} s")

    async def behind_half_hours(self, server, few, seconds):
        """Times short recordings behind uploads that take seconds to decode; cancels the uploads that remain at the end."""
        request = post("/v1/transcribe?filename=half-hour.opus", self.half_hour)
        connections = [await Connection.open(server.port) for _ in range(8)]
        asked = [asyncio.create_task(connection.ask(request)) for connection in connections]
        await asyncio.sleep(0.5)
        found = await mixed(server, [few], seconds)
        for task in asked:
            if task.done() and task.result()[0] != 200:
                self.complain(f"a recording of half an hour was answered with {task.result()}")
            task.cancel()
        return found

    def throughput(self):
        """Requests a second of each program in turn, and memory over many requests of the first."""
        health, second = get("/health"), post("/v1/transcribe", self.second)
        cases = [
            ("GET /health, kept alive", health, self.options.requests, 16, False),
            ("GET /health, new connections", health, self.options.requests // 10, 16, True),
            ("1 s of speech, one client", second, self.options.transcriptions // 4, 1, False),
            ("1 s of speech, 16 clients", second, self.options.transcriptions, 16, False),
        ]
        found = {}
        for _ in range(self.options.rounds):
            for program in self.options.program:
                with self.server(program) as server:
                    for name, request, count, connections, reconnects in cases:
                        asyncio.run(repeat(server, request, count // 5, connections, reconnects))
                        before, cpu = server.memory(), server.cpu_seconds()
                        seconds, elapsed = asyncio.run(repeat(server, request, count, connections, reconnects))
                        grown = (server.memory() - before) * 2**20 / count
                        cpu = (server.cpu_seconds() - cpu) / count
                        found.setdefault((name, program), []).append((count / elapsed, seconds, cpu, grown, server.memory()))
        print(f"\nThe same request many times ({self.options.rounds} rounds, programs in turn; medians of the rounds):\n")
        print("| request | program | number | per second | p50 ms | p99 ms | CPU ms each | memory MB | growth, bytes each |")
        print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
        for (name, program), rounds in found.items():
            rate = statistics.median(rate for rate, *_ in rounds)
            p50 = statistics.median(quantile(seconds, 0.5) for _, seconds, *_ in rounds) * 1000
            p99 = statistics.median(quantile(seconds, 0.99) for _, seconds, *_ in rounds) * 1000
            cpu = statistics.median(cpu for _, _, cpu, *_ in rounds) * 1000
            grown = min(grown for *_, grown, _ in rounds)
            memory = statistics.median(memory for *_, memory in rounds)
            number = len(rounds[0][1])
            label = self.options.label[self.options.program.index(program)]
            print(f"| {name} | {label} | {number} | {rate:.0f} | {p50:.2f} | {p99:.2f} | {cpu:.3f} | {memory:.0f} | {grown:.0f} |")
            bound = 64 if "health" in name else 2048
            if program == self.options.program[0] and grown > bound and grown * number > 4 << 20:
                self.complain(f"{name}: memory grows by {grown:.0f} bytes a request")


def processor():
    found = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{found.group(1) if found else os.uname().machine}, {len(os.sched_getaffinity(0))} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200, help="clients at once (default: 200)")
    parser.add_argument("--seconds", type=float, default=60, help="how long they ask (default: 60)")
    parser.add_argument("--requests", type=int, default=100_000, help="requests of /health (default: 100000)")
    parser.add_argument("--transcriptions", type=int, default=4_000, help="recordings of a second (default: 4000)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds over the programs (default: 1)")
    parser.add_argument("--most-slope", type=float, default=20, help="MB a minute that memory may grow (default: 20)")
    parser.add_argument("--checkpoint", type=pathlib.Path, default=SMALL_MODEL, help="the model (default: a small one)")
    parser.add_argument(
        "--program", type=pathlib.Path, action="append", help="the program; a second one is measured in turn with it")
    parser.add_argument("--only", default="crowd,fairness,throughput", help="of crowd,fairness,throughput")
    options = parser.parse_args()
    options.program = options.program or [RELEASE]
    options.label = ["this one", *[f"{program.parent.name}/{program.name}" for program in options.program[1:]]]
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"{processor()}; load before {os.getloadavg()[0]:.1f}; revision {revision}; model {options.checkpoint.name}")
    checks = Checks(options)
    for name in options.only.split(","):
        say(name)
        getattr(checks, name)()
        sys.stdout.flush()
    if checks.problems:
        sys.exit(f"check-load: error: {len(checks.problems)} problems, named above")
    say("all answers are right, and memory is flat")


if __name__ == "__main__":
    main()
