"""Speech from the microphone: Chromium's fake device, which plays a recording again and again.

The small model knows its recordings by heart only as they lie in their files, not as pieces of a stream. Therefore the
page is held to what the server hears, and the sound that it saves to what the device plays.
"""

import json
import math
import urllib.request
import wave

from conftest import serving

WORDS = 8


def listen(page):
    """Speaks until some words are final; returns a function for what the server has said in its final events."""
    finals = []

    def received(message):
        event = json.loads(message)
        if event["event"] == "final":
            finals.extend(word["text"] for word in event["words"])

    page.tab.on("websocket", lambda socket: socket.on("framereceived", received))
    page.evaluate("""() => {
      window.partials = [];
      const words = document.getElementById("words");
      new MutationObserver(() => {
        const partial = words.querySelector(".partial")?.textContent;
        if (partial) partials.push({ text: partial, color: getComputedStyle(words.querySelector(".partial")).color });
      }).observe(words, { childList: true, subtree: true, characterData: true });
    }""")
    page.tab.click("#speak")
    page.until("document.getElementById('status').textContent == 'Listening …'")
    page.until("count => document.querySelectorAll('.word').length >= count", WORDS, seconds=60)
    return lambda: list(finals)


def stop(page):
    page.tab.click("#speak")
    page.until("document.getElementById('speak').textContent == 'Speak'")


def loudness(path):
    """The root mean square of each fiftieth of a second."""
    with wave.open(str(path)) as file:
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    return [math.sqrt(sum(sample * sample for sample in samples[i : i + 320]) / 320) for i in range(0, len(samples) - 319, 320)]


def similarity(heard, played):
    """The best correlation of the loudness of what was heard with that of what is played in a loop."""

    def correlation(a, b):
        a, b = ([x - sum(values) / len(values) for x in values] for values in (a, b))
        return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    period = len(played)
    loop = played * (len(heard) // period + 2)
    return max(correlation(heard, loop[start : start + len(heard)]) for start in range(period))


def test_words_appear_as_they_are_spoken(page, spoken, server, tmp_path):
    finals = listen(page)
    assert page.tab.text_content("#speak") == "Stop"
    partials = page.evaluate("window.partials")
    assert partials, "no words appeared before they were final"
    final = page.words.first.evaluate("word => getComputedStyle(word).color")
    assert all(partial["color"] != final for partial in partials)
    stop(page)
    assert page.texts == finals()
    assert page.tab.get_by_role("log").text_content() != ""

    # What was spoken can be played, corrected and saved like a file.
    page.until("!document.getElementById('play').hidden")
    page.words.first.click()
    page.until("document.querySelector('.word[aria-current]')")
    page.words.first.dblclick()
    page.type("Corrected")
    page.press("Enter")
    name, content = page.saved("txt")
    assert name == "speech-1.txt" and content.decode().startswith("Corrected ")
    with page.tab.expect_download() as download:
        page.tab.click("#download-sound")
    with wave.open(str(download.value.path())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
    # The first moments are still silent. Were the browser to treat the voice as for a phone call, this would be 0.6.
    assert similarity(loudness(download.value.path())[50:], loudness(spoken)) > 0.98

    # The recording that was saved has the same words for the server.
    again = tmp_path / "again.wav"
    again.write_bytes(open(download.value.path(), "rb").read())
    page.give(again)
    page.tab.click("#list li:last-child .name")
    request = urllib.request.Request(server + "v1/transcribe", again.read_bytes())
    with urllib.request.urlopen(request) as answer:
        assert page.texts == json.load(answer)["text"].split()


def test_a_correction_is_kept_while_words_still_come(page):
    listen(page)
    page.words.first.dblclick()
    page.type("Kept")
    page.press("Enter")
    # The edit and the words that come have the same paragraph at times, which must not end the edit.
    count = len(page.texts)
    page.words.nth(1).dblclick()
    page.type("Open")
    page.until("count => document.querySelectorAll('.word').length > count", count, seconds=180)
    page.press("Enter")
    assert page.texts[1] == "Open"
    stop(page)
    assert page.texts[0] == "Kept" and page.texts.count("Kept") == 1


def test_a_microphone_that_is_refused_says_so(opened, server):
    page = opened(server)
    page.tab.context.clear_permissions()
    page.evaluate("""() => {
      const refused = new DOMException("Permission denied", "NotAllowedError");
      navigator.mediaDevices.getUserMedia = () => Promise.reject(refused);
    }""")
    page.tab.click("#speak")
    page.until("document.getElementById('status').className == 'error'")
    assert page.status == "The microphone cannot be used: Permission denied"
    assert page.tab.text_content("#speak") == "Speak"
    # As on a page of another machine over http.
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.tab.click("#speak")
    page.until("document.getElementById('status').textContent.includes('https')")


def test_a_server_that_stops_ends_the_speech_and_keeps_it(opened):
    with serving() as (url, process):
        page = opened(url)
        listen(page)
        process.terminate()
        page.until("document.getElementById('speak').textContent == 'Speak'")
        process.wait(timeout=60)
    assert len(page.texts) >= 1
    page.until("!document.getElementById('download-sound').hidden")
