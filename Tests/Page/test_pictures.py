"""Pictures of the page, compared with those in Tests/Fixtures/page. UPDATE_SNAPSHOTS=1 keeps the new ones."""

import io
import os
import pathlib

import pytest
from conftest import PHONE
from PIL import Image, ImageChops, ImageFilter

FIXTURES = pathlib.Path(__file__).parents[1] / "Fixtures" / "page"

# A transcript with every kind of word: what the model makes of a recording may change, and pictures of it with it.
CONFIDENCES = [0.99, 0.96, 0.97, 0.74, 0.93, 0.41]


def transcript(text, seconds):
    words = text.split()
    letters = sum(len(word) for word in words)
    gap = 0.25 * seconds / len(words)
    time, result = gap / 2, []
    for index, word in enumerate(words):
        length = (seconds - gap * len(words)) * len(word) / letters
        confidence = CONFIDENCES[index % len(CONFIDENCES)]
        result.append({"text": word, "start": round(time, 3), "end": round(time + length, 3), "confidence": confidence})
        time += length + gap
    return {"confidence": 0.9, "duration": seconds, "file": "message.wav", "text": text, "words": result}


# How much two pictures may differ: another version of a browser draws the edges of letters a little differently.
LEAST_DIFFERENCE = 48
MOST_PIXELS = 0.004


def compare(name, picture):
    path = FIXTURES / f"{name}.png"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FIXTURES.mkdir(exist_ok=True)
        picture.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
        return
    assert path.exists(), f"there is no {path}; keep one by UPDATE_SNAPSHOTS=1"
    kept = Image.open(path).convert("RGB")
    assert picture.size == kept.size, f"{name} is {picture.size} and was {kept.size}"
    soft = [image.filter(ImageFilter.BoxBlur(1)) for image in (picture, kept)]
    difference = ImageChops.difference(*soft).convert("L").point(lambda value: 255 * (value > LEAST_DIFFERENCE))
    share = difference.histogram()[255] / (difference.width * difference.height)
    if share > MOST_PIXELS:
        folder = pathlib.Path(os.environ.get("WAV2VEC2_PICTURES", ".build/pictures"))
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{name}.png")
        difference.save(folder / f"{name}-difference.png")
        pytest.fail(f"{name} differs in {100 * share:.2f} % of its pixels: see {folder}/{name}.png and -difference.png")


def test_a_difference_is_seen():
    # The comparison itself: a word of another colour is a difference, a shade is not.
    plain = Image.new("RGB", (400, 400), "white")
    name = "self-test"
    path = FIXTURES / f"{name}.png"
    assert not path.exists()
    FIXTURES.mkdir(exist_ok=True)
    plain.save(path)
    try:
        shade, word = plain.copy(), plain.copy()
        shade.paste((235, 235, 235), (0, 0, 400, 200))
        word.paste("red", (100, 100, 160, 120))
        saved = os.environ.pop("UPDATE_SNAPSHOTS", None)
        try:
            compare(name, shade)
            with pytest.raises(pytest.fail.Exception, match="differs"):
                compare(name, word)
        finally:
            if saved is not None:
                os.environ["UPDATE_SNAPSHOTS"] = saved
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "name, context",
    [
        ("light", {"color_scheme": "light"}),
        ("dark", {"color_scheme": "dark"}),
        ("phone-light", {**PHONE, "color_scheme": "light"}),
        ("phone-dark", {**PHONE, "color_scheme": "dark"}),
    ],
)
def test_pictures(opened, server, speech, tmp_path, name, context):
    recording = tmp_path / "message.wav"
    recording.write_bytes(speech.path.read_bytes())
    notes = tmp_path / "notes.txt"
    notes.write_text("Buy milk.")
    result = transcript(speech.text, speech.seconds)
    facts = {"status": "ok", "model": "best", "device": "cpu", "precision": "fp32", "decoder": "greedy", "version": "1.0.0"}

    def prepare(tab):
        tab.route("**/health", lambda route: route.fulfill(json=facts))
        tab.route(
            "**/v1/transcribe*",
            lambda route: route.fulfill(json=result)
            if "message" in route.request.url
            else route.fulfill(status=422, json={"error": {"message": "notes.txt: not a supported audio file"}}),
        )

    page = opened(server, prepare, **context)
    page.expected_statuses.add(422)
    page.give(recording, notes)
    page.words.nth(1).dblclick()
    page.type("Corrected")
    page.press("Enter")
    # The word before the last is played, and stops there.
    page.until("document.getElementById('player').paused")
    page.evaluate("time => { document.getElementById('player').currentTime = time; }", result["words"][-2]["start"] + 0.01)
    page.until("document.querySelectorAll('.word')[document.querySelectorAll('.word').length - 2].hasAttribute('aria-current')")
    page.until("document.querySelector('.word.corrected') == document.activeElement")
    page.tab.wait_for_timeout(300)
    compare(name, Image.open(io.BytesIO(page.tab.screenshot(full_page=True, animations="disabled"))).convert("RGB"))
