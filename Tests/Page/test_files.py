"""Files: dropped or chosen, uploaded, recognized or refused."""

import base64
import json
import subprocess
import urllib.error
import urllib.request
import wave

import pytest
from conftest import PROGRAM, RECOGNIZER, serving

# Puts files into a drop event, as a browser does when a person lets them go over the page.
DROP = """async files => {
  const transfer = new DataTransfer();
  for (const { name, content } of files) {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt());
    transfer.items.add(new File([bytes], name));
  }
  for (const type of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def drop(page, *paths):
    files = [{"name": path.name, "content": base64.b64encode(path.read_bytes()).decode()} for path in paths]
    page.evaluate(DROP, files)


def slow(page, bytes_per_second):
    network = page.tab.context.new_cdp_session(page.tab)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second},
    )


def ask(server, route, path):
    """Returns the server's own answer to a recording."""
    request = urllib.request.Request(f"{server}{route}", data=path.read_bytes(), method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.read()


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk.\n")
    return path


def test_dropped_files_are_transcribed_as_the_program_does(page, speeches, notes):
    page.expected_statuses.add(422)
    drop(page, speeches[0].path, notes, speeches[1].path)
    page.settle(3)
    for speech in speeches[:2]:
        page.tab.click(f"#list .name:text-is('{speech.path.name}')")
        command = [PROGRAM, "transcribe", "--checkpoint", RECOGNIZER / "best", "--quiet", speech.path]
        expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert page.text == expected
        # The model knows these recordings: what is compared is not silence.
        assert len(set(expected.split()) & set(speech.text.split())) >= 0.7 * len(set(speech.text.split()))
        assert page.tab.text_content("#transcript-heading") == speech.path.name


def test_the_first_of_several_files_is_opened(page, speeches):
    drop(page, *(speech.path for speech in speeches[:3]))
    page.settle(3)
    assert page.tab.text_content("#transcript-heading") == speeches[0].path.name
    assert page.tab.get_attribute("#list li:nth-child(1) .name", "aria-current") == "true"


def test_a_file_that_is_no_audio_is_refused_in_the_servers_words(page, server, notes):
    page.expected_statuses.add(422)
    page.give(notes)
    sentence = json.loads(ask(server, "v1/transcribe?filename=notes.txt", notes))["error"]["message"]
    assert page.items.first.locator(".error").text_content() == sentence
    assert sentence in page.status
    assert page.tab.is_hidden("#transcript"), "there is nothing to show"


def test_an_empty_recording_and_silence_say_so(page, tmp_path, server):
    empty, silence = tmp_path / "empty.wav", tmp_path / "silence.wav"
    empty.touch()
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(64000))
    page.expected_statuses.update({411, 422, 400})
    page.give(empty)
    assert page.items.first.locator(".error").text_content() != ""
    # A model that has only heard speech may find a letter in silence; it has no words that it is told of.
    page.give(silence)
    answer = json.loads(ask(server, "v1/transcribe", silence))
    assert page.texts == [word["text"] for word in answer["words"]]


def test_a_file_that_has_vanished_is_told_apart_from_a_server_that_has(page, tmp_path, speech):
    path = tmp_path / "gone.wav"
    path.write_bytes(speech.path.read_bytes())
    page.tab.route("**/v1/transcribe*", lambda route: (path.unlink(), route.abort())[1])
    page.tab.set_input_files("#files", str(path))
    page.until("document.querySelector('#list .error')")
    assert "gone.wav cannot be read" in page.status
    page.problems.clear()


def test_a_server_that_has_stopped_says_so_and_another_try_works(opened, speech):
    with serving() as (url, process):
        page = opened(url)
        process.terminate()
        process.wait(timeout=60)
        page.give(speech.path)
        assert "The server does not answer" in page.status
        page.problems.clear()
    port = url.rstrip("/").rsplit(":", 1)[1]
    with serving("--port", port):
        page.tab.click("button:text('Try again')")
        page.until("document.querySelectorAll('#words .word').length > 0")


def test_an_upload_shows_its_progress_and_can_be_cancelled(page, server, tmp_path):
    path = tmp_path / "large.wav"
    path.write_bytes(b"RIFF" + bytes(2_000_000))
    slow(page, 200_000)
    page.tab.set_input_files("#files", str(path))
    page.until("(document.querySelector('progress')?.value ?? 0) > 0.1")
    shown = page.items.first.text_content()
    assert "uploading, " in shown and "%" in shown
    earlier = page.evaluate("document.querySelector('progress').value")
    page.until("before => document.querySelector('progress').value > before", earlier)
    page.tab.click("button:text('Cancel')")
    assert page.items.count() == 0 and page.tab.is_hidden("#list-section")

    def open_requests():
        with urllib.request.urlopen(server + "metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next(line for line in lines if line.startswith("wav2vec2_requests_open "))

    for _ in range(100):
        # The request for the metrics is the one that is open.
        if open_requests().endswith(" 1"):
            break
        page.tab.wait_for_timeout(100)
    assert open_requests().endswith(" 1")


def test_the_server_may_still_be_busy_with_others_while_one_uploads(page, speeches, tmp_path):
    path = tmp_path / "slow.wav"
    path.write_bytes(b"RIFF" + bytes(3_000_000))
    slow(page, 100_000)
    page.tab.set_input_files("#files", [str(path), *(str(speech.path) for speech in speeches[:3])])
    page.until("document.querySelectorAll('#list li .quiet').length == 4"
               " && (document.getElementById('list').textContent.match(/ words/g) ?? []).length == 3", seconds=120)
    assert "uploading" in page.items.first.text_content()
    page.tab.click("button:text('Cancel')")


def test_a_recording_that_the_browser_cannot_play_has_its_text_and_times(page, speech, tmp_path):
    path = tmp_path / "prompt.aiff"
    subprocess.run(["ffmpeg", "-v", "error", "-i", speech.path, path], check=True)
    page.give(path)
    page.until("!document.getElementById('sound-note').hidden")
    note = page.tab.text_content("#sound-note")
    assert "cannot decode" in note
    page.until("document.getElementById('sound-note').textContent.includes('cannot play')")
    assert len(page.texts) >= 3 and page.tab.is_hidden("#play")
    # Words still lead to their place on the timeline.
    page.words.nth(2).click()
    start = float(page.evaluate("document.querySelectorAll('.word')[2].title.split(' ')[0]"))
    assert float(page.tab.get_attribute("#waveform", "aria-valuenow")) == pytest.approx(start, abs=0.006)


def test_a_recording_can_be_removed(page, speeches):
    page.give(*(speech.path for speech in speeches[:2]))
    page.items.first.locator("button:text('Remove')").click()
    assert page.items.count() == 1
    assert page.tab.text_content("#transcript-heading") == speeches[1].path.name
    page.items.first.locator("button:text('Remove')").click()
    assert page.tab.is_hidden("#transcript") and page.tab.is_hidden("#list-section")
