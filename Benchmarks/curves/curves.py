#!/usr/bin/env python3
"""What Benchmarks/curves/run and Benchmarks/curves/check need beside the program: data, summary and comparison.

    curves.py prepare SPEECH OUTPUT     manifests of a folder of recorded speech
    curves.py summary OUTPUT            summary.md from the runs in OUTPUT
    curves.py compare FRESH COMMITTED   whether fresh curves stay within the band around the committed ones

SPEECH has folders with a manifest.tsv each: a header with at least path, samples and transcript, then a line a recording of
16 kHz. Those whose name ends in -train are learned from with and without transcripts, those in -unlabelled without; the
speakers of -dev are halved by their names into validation and test.
"""

import argparse
import collections
import csv
import json
import pathlib
import platform
import sys

SHAPES = ("plain", "hourglass")
STAGES = ("pretrain", "finetune")
# How far a fresh run may leave the range that the committed run had at this validation and its two neighbors: a run
# whose loss drops a hundred updates earlier or later is the same run on another machine.
BANDS = {"pretrain": {"loss": 0.15, "accuracy": 0.03}, "finetune": {"cer": 0.05, "wer": 0.06}}


class Trouble(Exception):
    """What the user has to hear, as one sentence."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, folders in (("prepare", ("speech", "output")), ("summary", ("output",)), ("compare", ("fresh", "committed"))):
        command = commands.add_parser(name)
        for folder in folders:
            command.add_argument(folder, type=pathlib.Path)
    arguments = vars(parser.parse_args())
    {"prepare": prepare, "summary": summary, "compare": compare}[arguments.pop("command")](**arguments)


# --- Data


def prepare(speech, output):
    sets = collections.defaultdict(list)
    for manifest in sorted(speech.glob("*/manifest.tsv")):
        folder = manifest.parent
        rows = read(manifest)
        if folder.name.endswith("-train"):
            sets["train"] += rows
            sets["pretrain"] += rows
        elif folder.name.endswith("-unlabelled"):
            sets["pretrain"] += rows
        elif folder.name.endswith("-dev"):
            for row in rows:
                half = sorted({other["speaker"] for other in rows}).index(row["speaker"]) % 2
                sets[("valid", "test")[half]].append(row)
    for name in ("pretrain", "train", "valid", "test"):
        if not sets[name]:
            raise Trouble(f"{speech} has no recordings for {name}: folders ending in -train and -dev with a manifest.tsv are expected.")
    output.mkdir(parents=True, exist_ok=True)
    root = speech.resolve()
    for name, rows in sets.items():
        write(output / f"{name}.tsv", [str(root), *(f"{row['path'].relative_to(root)}\t{row['samples']}" for row in rows)])
        if name != "pretrain":
            write(output / f"{name}.ltr", (letters(row["transcript"]) for row in rows))
        minutes = sum(int(row["samples"]) for row in rows) / 16_000 / 60
        print(f"curves: {name}: {len(rows)} recordings, {minutes:.1f} min", file=sys.stderr)
    counts = collections.Counter(letter for row in sets["train"] for letter in letters(row["transcript"]).split())
    write(output / "dict.ltr.txt", (f"{letter} {count}" for letter, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))))


def read(manifest):
    with open(manifest, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        if not row.get("path") or not (row.get("samples") or "").isdigit():
            raise Trouble(f"{manifest}:{number}: expected the columns path and samples, found {row}.")
        row["path"] = (manifest.parent / row["path"]).resolve()
        row["transcript"] = " ".join((row.get("transcript") or "").split())
        row.setdefault("speaker", "")
    return rows


def letters(words):
    """fairseq's letters: `hello you` is `h e l l o | y o u |`."""
    return " ".join(words.replace(" ", "|") + "|")


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


# --- Results


def records(path, kind):
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}: run Benchmarks/curves/run first.") from error
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def summary(output):
    columns = collections.OrderedDict((name, []) for name in (
        "encoder", "validation loss", "accuracy", "code perplexity", "pre-training", "audio",
        "validation CER", "validation WER", "test CER", "test WER", "fine-tuning"))
    for shape in SHAPES:
        valid = {stage: records(output / f"{shape}-{stage}.jsonl", "valid") for stage in STAGES}
        train = {stage: records(output / f"{shape}-{stage}.jsonl", "train") for stage in STAGES}
        last = valid["pretrain"][-1]
        test = json.loads((output / f"{shape}-test.json").read_text(encoding="utf-8"))
        tuned = valid["finetune"][-1]
        rates = sorted(record["audio_seconds_per_second"] for record in train["pretrain"])
        values = (
            shape, f"{last['loss']:.3f}", f"{last['accuracy']:.1%}", f"{last['code_perplexity']:.1f}",
            f"{train['pretrain'][-1]['seconds']:.0f} s", f"{rates[len(rates) // 2]:.1f} s/s",
            f"{tuned['cer']:.1%}", f"{tuned['wer']:.1%}", f"{test['cer']:.1%}", f"{test['wer']:.1%}",
            f"{train['finetune'][-1]['seconds']:.0f} s")
        for column, value in zip(columns.values(), values):
            column.append(value)
    lines = ["# Learning curves", "", "Written by `Benchmarks/curves/run`; what was run stands in `pretrain.yaml` and `finetune.yaml` beside this file.", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*columns.values())]
    lines += [
        "",
        f"Validation loss (nats a masked frame), accuracy and code perplexity: after the last update of pre-training. Error rates: of the last fine-tuned weights; the test set has speakers that no stage has seen. Times include validation. Machine: {machine()}.",
        "", "![Loss and accuracy of pre-training](pretrain.svg)", "", "![Loss and error rates of fine-tuning](finetune.svg)"]
    write(output / "summary.md", lines)
    print("\n".join(lines[4:4 + 2 + len(SHAPES)]))


def machine():
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    cores = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").count("processor\t")
    return f"{model}, {cores} processors"


def compare(fresh, committed):
    worst = []
    for shape in SHAPES:
        for stage, bands in BANDS.items():
            name = f"{shape}-{stage}.jsonl"
            old, new = records(committed / name, "valid"), records(fresh / name, "valid")
            if [record["update"] for record in old] != [record["update"] for record in new]:
                raise Trouble(f"{name}: the fresh run validated after other updates than the committed one: run it with the same recipes, or record the curves anew.")
            for field, band in bands.items():
                for index, record in enumerate(new):
                    near = [other[field] for other in old[max(0, index - 1):index + 2]]
                    distance = max(min(near) - record[field], record[field] - max(near))
                    worst.append((distance / band, f"{shape}, {stage}: {field} after update {record['update']} is {record[field]:.4f}, where {min(near):.4f} to {max(near):.4f}, less or more {band}, are expected"))
    share, sentence = max(worst)
    outside = [text for part, text in worst if part > 1]
    if outside:
        raise Trouble(f"{len(outside)} of {len(worst)} values lie outside the band; the farthest: {sentence}.")
    print(f"curves: {len(worst)} values within the band; the farthest uses {max(0, share):.0%} of it ({sentence})")


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"curves: error: {trouble}")
    except OSError as error:
        sys.exit(f"curves: error: {error}")
