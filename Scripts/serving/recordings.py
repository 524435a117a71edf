"""Real recordings, and what the program makes of them."""
import dataclasses
import pathlib
import subprocess
import wave

from program import RELEASE, ROOT, SMALL_MODEL

RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Recording:
    """A WAV file of one channel in 16 bits at 16 kHz, and its text."""

    path: pathlib.Path
    seconds: float
    text: str

    @property
    def bytes(self):
        return self.path.read_bytes()

    @property
    def samples(self):
        """The samples as bytes, without the file's header."""
        with wave.open(str(self.path)) as file:
            return file.readframes(file.getnframes())


def speech(folder):
    """The English recordings of `make demo` that its miniature uses, 80 of 1 to 15 s; fetched once."""
    manifest = folder / "data/pretrain.tsv"
    if not manifest.exists():
        subprocess.run([ROOT / "Scripts/demo-data", folder / "data", "--miniature"], check=True)
    root, *lines = manifest.read_text().splitlines()
    return [pathlib.Path(root) / line.split("\t")[0] for line in lines]


def join(paths, file, seconds):
    """Writes recordings end to end, and the first ones again, until there are as many seconds; returns the file."""
    samples, at = b"", 0
    while len(samples) < 2 * RATE * seconds:
        with wave.open(str(paths[at % len(paths)])) as part:
            samples += part.readframes(part.getnframes())
        at += 1
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as output:
        output.setparams((1, 2, RATE, 0, "NONE", None))
        output.writeframes(samples[: int(2 * RATE * seconds)])
    return file


def transcribed(paths, checkpoint=SMALL_MODEL, executable=RELEASE, options=()):
    """The recordings with their texts, which `transcribe` says."""
    command = [executable, "transcribe", "--quiet", "--checkpoint", checkpoint, *options, "--", *paths]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = printed.splitlines()
    texts = lines if len(paths) == 1 else [line.partition("\t")[2] for line in lines]
    if len(texts) != len(paths):
        raise RuntimeError(f"transcribe printed {len(texts)} texts for {len(paths)} files")
    found = []
    for path, text in zip(paths, texts):
        with wave.open(str(path)) as file:
            found.append(Recording(pathlib.Path(path), file.getnframes() / file.getframerate(), text))
    return found
