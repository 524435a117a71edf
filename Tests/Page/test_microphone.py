"""Speech from the microphone: Chromium's fake device, which plays a recording again and again."""

import wave

from conftest import serving


def listen(page, words):
    """Speaks until most of the words are final."""
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
    page.until(
        """words => {
          const heard = new Set([...document.querySelectorAll(".word")].map(word => word.textContent));
          return words.filter(word => heard.has(word)).length >= 0.7 * words.length;
        }""",
        sorted(set(words)),
        seconds=180,
    )


def test_words_appear_as_they_are_spoken(page, speech, tmp_path):
    listen(page, speech.text.split())
    assert page.tab.text_content("#speak") == "Stop"
    partials = page.evaluate("window.partials")
    assert partials, "no words appeared before they were final"
    final = page.words.first.evaluate("word => getComputedStyle(word).color")
    assert all(partial["color"] != final for partial in partials)
    page.tab.click("#speak")
    page.until("document.getElementById('speak').textContent == 'Speak'")
    spoken = set(speech.text.split())
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
        assert file.getnframes() / 16000 >= speech.seconds - 0.5
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
        assert max(samples) > 1000

    # The recording that was saved has the same words for the server.
    again = tmp_path / "again.wav"
    again.write_bytes(open(download.value.path(), "rb").read())
    page.give(again)
    page.tab.click("#list li:last-child .name")
    assert len(spoken & set(page.texts)) >= 0.7 * len(spoken)


def test_a_correction_is_kept_while_words_still_come(page, speech):
    listen(page, speech.text.split())
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
    page.tab.click("#speak")
    page.until("document.getElementById('speak').textContent == 'Speak'")
    assert page.texts[0] == "Kept" and page.texts.count("Kept") == 1


def test_a_microphone_that_is_refused_says_so(opened, server):
    page = opened(server)
    page.tab.context.clear_permissions()
    page.evaluate("navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))")
    page.tab.click("#speak")
    page.until("document.getElementById('status').className == 'error'")
    assert page.status == "The microphone cannot be used: Permission denied"
    assert page.tab.text_content("#speak") == "Speak"
    # As on a page of another machine over http.
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.tab.click("#speak")
    page.until("document.getElementById('status').textContent.includes('https')")


def test_a_server_that_stops_ends_the_speech_and_keeps_it(opened, speech):
    with serving() as (url, process):
        page = opened(url)
        listen(page, speech.text.split())
        process.terminate()
        page.until("document.getElementById('speak').textContent == 'Speak'")
        process.wait(timeout=60)
    assert len(page.texts) >= 1
    page.until("!document.getElementById('download-sound').hidden")
