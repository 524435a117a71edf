"""The waveform, and playing words."""

import math
import struct
import wave

import pytest

PLAYED = "() => ({ time: document.getElementById('player').currentTime, paused: document.getElementById('player').paused })"


def span(page, index):
    """A word's start and end in seconds, as the table shows them."""
    title = page.words.nth(index).get_attribute("title")
    return float(title.split(" ")[0]), float(title.split(" ")[2])


def test_a_click_plays_the_word_and_marks_it(page, speech):
    page.give(speech.path)
    start, end = span(page, 2)
    page.evaluate("""() => {
      window.marked = new Set();
      new MutationObserver(() => document.querySelectorAll(".word[aria-current]").forEach(word => marked.add(word.textContent)))
        .observe(document.getElementById("words"), { attributes: true, subtree: true });
      document.getElementById("player").addEventListener("play", event => window.began = event.target.currentTime);
    }""")
    page.words.nth(2).click()
    page.until("window.began != null && document.getElementById('player').paused")
    assert page.evaluate("window.began") == pytest.approx(start - 0.05, abs=0.02)
    assert end <= page.evaluate(PLAYED)["time"] < end + 0.4
    assert page.texts[2] in page.evaluate("[...window.marked]")


def test_words_are_marked_one_after_the_other_while_it_plays(page, speech):
    page.give(speech.path)
    page.evaluate("""() => {
      window.marked = [];
      new MutationObserver(() => {
        const word = document.querySelector(".word[aria-current]");
        if (word && word != window.marked.at(-1)) window.marked.push(word);
      }).observe(document.getElementById("words"), { attributes: true, subtree: true });
    }""")
    page.tab.click("#play")
    page.until("document.getElementById('play').textContent == 'Pause'")
    page.until("document.getElementById('player').ended")
    assert page.evaluate("window.marked.map(word => word.textContent)") == page.texts
    assert page.tab.text_content("#play") == "Play"


def test_a_click_on_the_waveform_seeks(page, speech):
    page.give(speech.path)
    box = page.tab.locator("#waveform").bounding_box()
    span = page.evaluate("Math.min(document.getElementById('waveform').clientWidth / 120, document.getElementById('player').duration)")
    page.tab.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.until("time => Math.abs(document.getElementById('player').currentTime - time) < 0.1", span / 2)
    page.tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.tab.mouse.up()
    page.until("time => Math.abs(document.getElementById('player').currentTime - time) < 0.1", span / 4)


# The share of the waveform's pixels that are not its background, in each tenth of its width.
INK = """() => {
  const shown = document.getElementById("waveform");
  const { width, height } = shown;
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  pen.drawImage(shown, 0, 0);
  const { data } = pen.getImageData(0, 0, width, Math.floor(height * 0.7));
  const tenths = Array(10).fill(0);
  for (let at = 3; at < data.length; at += 4) if (data[at] > 0) tenths[Math.floor(((at - 3) / 4 % width) / width * 10)]++;
  return tenths.map(count => count / (data.length / 40));
}"""


def test_the_waveform_is_of_the_recording(page, tmp_path):
    # A second of silence and a second of tone: the picture has its ink in the second half.
    path = tmp_path / "halves.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        tone = (int(16000 * math.sin(2 * math.pi * 300 * sample / 16000)) for sample in range(16000))
        file.writeframes(bytes(32000) + b"".join(struct.pack("<h", value) for value in tone))
    page.give(path)
    page.until(f"({INK})().at(-1) > 0.2")
    tenths = page.evaluate(INK)
    assert max(tenths[1:4]) < 0.1 and min(tenths[6:]) > 0.3


def test_a_long_recording_is_seen_in_part_and_as_a_whole(page, long_recording):
    page.give(long_recording)
    page.until("!document.getElementById('overview').hidden")
    length = float(page.tab.get_attribute("#waveform", "aria-valuemax"))
    box = page.tab.locator("#overview").bounding_box()
    page.tab.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 20)
    page.until("time => Math.abs(document.getElementById('player').currentTime - time) < 0.3", 0.75 * length)
    # The part follows: a click in its middle stays in the neighbourhood.
    box = page.tab.locator("#waveform").bounding_box()
    page.tab.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.tab.wait_for_timeout(200)
    assert abs(page.evaluate(PLAYED)["time"] - 0.75 * length) < 9
    for _ in range(6):
        page.tab.click("#zoom-out")
    page.until("document.getElementById('overview').hidden")
    page.tab.click("#zoom-in")
    page.until("!document.getElementById('overview').hidden")
