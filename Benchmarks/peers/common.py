"""What the peers' scripts share: their options, the audio, and how they time.

Each script runs one other implementation with its best options and prints one JSON line a shape: the seconds of each
repetition, the peak memory of this process meanwhile, and the versions at work.
"""
import argparse
import json
import pathlib
import statistics
import time

import torch

LABELS = 32
"""Letters, word boundary, apostrophe and specials, as `wav2vec2 benchmark` has."""


def options(description, tasks=("inference",)):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--task", choices=tasks, default=tasks[-1])
    parser.add_argument("--utterances", nargs="+", default=["4x10"], help="shapes such as 4x10 or 15,13,11.5")
    parser.add_argument("--one-by-one", action="store_true", help="each utterance by itself, not padded into a batch")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("."), help="where exported models are kept")
    parser.add_argument("--variant", default="fp32")
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    return found


def lengths(shape):
    """The samples of each utterance of a shape."""
    seconds = []
    for part in shape.split(","):
        count, _, length = part.rpartition("x")
        seconds += [float(length)] * int(count or 1)
    return [round(16000 * length) for length in seconds]


def utterances(shape):
    """The noise that `wav2vec2 benchmark` hears: the same generator with the same seed."""
    sizes = lengths(shape)
    return list(torch.randn(sum(sizes), generator=torch.Generator().manual_seed(1)).split(sizes))


def padded(audio):
    """One matrix with zeros behind the shorter utterances, and where samples are real."""
    batch = torch.nn.utils.rnn.pad_sequence(audio, batch_first=True)
    mask = torch.zeros(batch.shape, dtype=torch.long)
    for row, signal in enumerate(audio):
        mask[row, : len(signal)] = 1
    return batch, mask


def batches(shape, one_by_one):
    """What goes through a model at once: all utterances padded, or each by itself."""
    audio = utterances(shape)
    return [signal.unsqueeze(0) for signal in audio] if one_by_one else [padded(audio)[0]]


def status(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(found, shape, step, **facts):
    """Two steps warm up, until memory has been taken; then each is timed. The memory peak is reset for every shape."""
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # Then the peak is that of the whole process so far.
    step()
    step()
    times = []
    for _ in range(found.repetitions):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    print(json.dumps({
        "task": found.task, "shape": shape, "one_by_one": found.one_by_one, "variant": found.variant, "seconds": times,
        "median_s": statistics.median(times), "peak_rss_mb": status("VmHWM"), "threads": found.threads, **facts,
    }), flush=True)
