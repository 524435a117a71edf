"""Corrections of words, and the files that they are saved in."""

import json
import re

import pytest
from test_files import ask


@pytest.fixture
def words(page, speech):
    """A page with a recording of at least four words."""
    page.give(speech.path)
    assert len(page.texts) >= 4
    return page


def correct(page, index, text):
    page.words.nth(index).dblclick()
    page.type(text) if text else page.press("Delete")
    page.press("Enter")


def times(page):
    return page.evaluate("[...document.querySelectorAll('.word')].map(word => word.title.match(/[0-9.]+/g).slice(0, 2).map(Number))")


def test_a_corrected_word_keeps_its_times_and_is_marked(words):
    before, spans = words.texts, times(words)
    correct(words, 1, "Zebra")
    assert words.texts == [before[0], "Zebra", *before[2:]]
    assert times(words) == spans
    assert "corrected" in words.words.nth(1).get_attribute("class")
    assert "corrected" in words.words.nth(1).get_attribute("aria-label")
    assert "1 corrected" in words.tab.text_content("#summary")
    assert f"{before[1]} is now Zebra" in words.status


def test_escape_undoes_an_edit(words):
    before = words.texts
    words.words.nth(1).dblclick()
    words.type("nonsense")
    words.press("Escape")
    assert words.texts == before
    assert words.evaluate("document.activeElement.textContent") == before[1]
    assert words.tab.locator(".corrected.word").count() == 0


def test_a_space_splits_a_word_and_its_time(words):
    before, spans = words.texts, times(words)
    correct(words, 2, "one  three")
    assert words.texts == [*before[:2], "one", "three", *before[3:]]
    first, second = times(words)[2:4]
    # The time is divided by letters: 3 of 8.
    (start, end) = spans[2]
    assert first[0] == start and second[1] == end
    assert first[1] == second[0] == pytest.approx(start + (end - start) * 3 / 8, abs=0.011)


def test_words_are_joined_with_the_time_of_both(words):
    before, spans = words.texts, times(words)
    words.words.nth(1).click()
    words.press("j")
    assert words.texts == [before[0], before[1] + before[2], *before[3:]]
    assert times(words)[1] == [spans[1][0], spans[2][1]]
    # By Backspace at the beginning of a word too; the edit goes on in the joined word.
    words.words.nth(1).dblclick()
    words.press("Home", "Backspace")
    words.type("-")
    words.press("Enter")
    assert words.texts[0] == f"{before[0]}-{before[1]}{before[2]}"
    assert times(words)[0] == [spans[0][0], spans[2][1]]


def test_deleted_words_come_back_and_go_again(words):
    before = words.texts
    words.words.nth(1).click()
    words.press("Delete")
    correct(words, 0, "")
    assert words.texts == before[2:]
    words.press("Control+z")
    assert words.texts == [before[0], *before[2:]]
    words.press("Control+z", "Control+z")
    assert words.texts == before and "nothing to undo" in words.status
    words.press("Control+Shift+z", "Control+y")
    assert words.texts == before[2:]
    words.tab.click("#undo")
    words.tab.click("#undo")
    assert words.texts == before and words.tab.locator(".corrected.word").count() == 0


def test_every_word_can_be_deleted(words):
    count = len(words.texts)
    words.words.first.click()
    words.press(*["Delete"] * count)
    assert words.texts == []
    assert words.saved("txt")[1] == b"\n"
    words.press(*["Control+z"] * count)
    assert len(words.texts) == count


def test_a_field_left_by_a_click_keeps_what_was_typed(words):
    words.words.nth(1).dblclick()
    words.type("kept")
    words.tab.click("h1")
    assert words.texts[1] == "kept"
    words.words.nth(2).dblclick()
    words.type("too")
    words.tab.click("#undo")
    assert words.texts[1] == "kept" and "too" not in words.texts


@pytest.mark.parametrize("format, route", [("txt", "text"), ("srt", "srt"), ("vtt", "vtt"), ("json", "json")])
def test_an_uncorrected_transcript_is_saved_as_the_server_writes_it(page, server, long_recording, format, route):
    page.give(long_recording)
    name, content = page.saved(format)
    assert name == f"long.{format}"
    expected = ask(server, f"v1/transcribe?filename=long.wav&format={route}", long_recording)
    assert len(expected) > 100
    if format == "json":
        assert json.loads(content) == json.loads(expected)
    else:
        assert content.decode() == expected.decode()


def test_saved_files_have_the_corrections(words):
    correct(words, 1, "<Tom> & Jerry")
    expected = words.texts
    assert expected[1:4] == ["<Tom>", "&", "Jerry"]
    assert words.saved("txt")[1].decode() == " ".join(expected) + "\n"

    srt = words.saved("srt")[1].decode()
    cues = [block.split("\n") for block in srt.strip().split("\n\n")]
    assert [cue[0] for cue in cues] == [str(index + 1) for index in range(len(cues))]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", cue[1]) for cue in cues)
    assert " ".join(" ".join(cue[2:]) for cue in cues) == " ".join(expected)

    vtt = words.saved("vtt")[1].decode()
    assert vtt.startswith("WEBVTT\n\n") and "&lt;Tom&gt; &amp; Jerry" in vtt
    # The browser's own reader of subtitles agrees. (The page's policy allows no tracks; an empty page has none.)
    other = words.tab.context.new_page()
    read = other.evaluate(
        """async text => {
          const video = document.createElement("video"), track = document.createElement("track");
          track.src = "data:text/vtt," + encodeURIComponent(text);
          video.append(track);
          document.body.append(video);
          track.track.mode = "hidden";
          await new Promise((done, fail) => { track.onload = done; track.onerror = fail; });
          return [...track.track.cues].map(cue => cue.getCueAsHTML().textContent);
        }""",
        vtt,
    )
    other.close()
    assert " ".join(read) == " ".join(expected)

    result = json.loads(words.saved("json")[1])
    assert [word["text"] for word in result["words"]] == expected and result["text"] == " ".join(expected)
    assert [word.get("corrected", False) for word in result["words"]] == [1 <= index < 4 for index in range(len(expected))]
    spans = [(word["start"], word["end"]) for word in result["words"]]
    assert all(start <= end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:]))


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_copying(words, has_clipboard):
    if not has_clipboard:
        # As on a page of another machine over http.
        words.evaluate("""() => { window.real = navigator.clipboard;
          Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true }); }""")
    words.tab.check("input[value=srt]")
    words.tab.click("#copy")
    words.until("document.getElementById('status').textContent == 'Copied.'")
    copied = words.evaluate("() => (window.real ?? navigator.clipboard).readText()")
    assert copied == words.saved("srt")[1].decode()


def test_unsaved_corrections_are_not_lost_by_accident(words):
    def is_asked():
        asked = []
        words.tab.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        words.items.first.locator("button:text('Remove')").click()
        return asked == ["confirm"]

    correct(words, 0, "Unsaved")
    assert is_asked() and words.items.count() == 1
    words.saved("txt")
    words.items.first.locator("button:text('Remove')").click()
    assert words.items.count() == 0


def test_any_corrections_can_be_undone_one_by_one(page):
    # Two hundred transcripts with random corrections, in the page's own module.
    problems = page.evaluate("""async () => {
      const { Transcript } = await import("./page/transcript.js");
      let state = 7;
      const random = below => (state = (state * 1103515245 + 12345) % 2147483648) % below;
      const problems = [];
      for (let round = 0; round < 200; round++) {
        const words = Array.from({ length: random(12) }, (_, index) =>
          ({ text: "w" + index, start: index, end: index + 0.7, confidence: 0.5 }));
        const transcript = new Transcript({ words, duration: 20 });
        const snapshot = () => JSON.stringify(transcript.words);
        const history = [snapshot()];
        for (let step = 0; step < 10 && transcript.words.length > 0; step++) {
          const index = random(transcript.words.length);
          if (random(3) == 0 && index + 1 < transcript.words.length) transcript.join(index);
          else transcript.rewrite(index, ["", "x", "x y", "  x yy  zzz "][random(4)]);
          if (snapshot() != history.at(-1)) history.push(snapshot());
          const { words: now } = transcript;
          if (now.some((word, at) => word.start > word.end || (at > 0 && now[at - 1].end > word.start)))
            problems.push("times out of order: " + snapshot());
        }
        const last = history.length - 1;
        for (let at = last; at > 0; at--) { transcript.undo(); if (snapshot() != history[at - 1]) problems.push("undo " + round); }
        if (transcript.canUndo) problems.push("more to undo than was done");
        for (let at = 1; at <= last; at++) { transcript.redo(); if (snapshot() != history[at]) problems.push("redo " + round); }
      }
      return problems;
    }""")
    assert problems == []
