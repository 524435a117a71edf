"""Everything by keyboard, and what a screen reader is told."""

import json

import pytest
from test_files import ask

FOCUS = """() => {
  const element = document.activeElement;
  const seen = element.id == "files" ? document.querySelector("label[for=files]") : element;
  const style = getComputedStyle(seen);
  return { id: element.id || element.className || element.tagName, outline: style.outlineStyle != "none" && parseFloat(style.outlineWidth) >= 2 };
}"""


def tab_to(page, id):
    for _ in range(40):
        page.press("Tab")
        if page.evaluate("document.activeElement.id || document.activeElement.className").split(" ")[0] == id:
            return
    pytest.fail(f"the Tab key does not reach {id}")


def test_from_a_file_to_a_saved_correction(page, speech):
    tab_to(page, "files")
    with page.tab.expect_file_chooser() as chooser:
        page.press("Space")
    chooser.value.set_files(str(speech.path))
    page.settle(1)
    before = page.texts

    tab_to(page, "word")
    current = "document.activeElement.textContent"
    assert page.evaluate(current) == before[0]
    page.press("ArrowRight", "ArrowRight")
    assert page.evaluate(current) == before[2]
    page.press("ArrowLeft")
    assert page.evaluate(current) == before[1]
    page.press("End")
    assert page.evaluate(current) == before[-1]
    page.press("ArrowRight")
    assert page.evaluate(current) == before[-1]
    page.press("Home")
    assert page.evaluate(current) == before[0]

    page.press("Enter")
    page.type("discarded")
    page.press("Escape")
    page.press("ArrowRight", "Enter")
    page.type("corrected")
    page.press("Enter")
    assert page.texts == [before[0], "corrected", *before[2:]]
    assert page.evaluate(current) == "corrected"

    page.press("Space")
    page.until("!document.getElementById('player').paused")
    page.press("Space")
    page.until("document.getElementById('player').paused")

    tab_to(page, "download")
    with page.tab.expect_download() as download:
        page.press("Enter")
    assert "corrected" in open(download.value.path()).read()
    assert "Saved as" in page.status


def test_lines_by_arrow_keys(page, long_recording):
    page.tab.set_viewport_size({"width": 500, "height": 900})
    page.give(long_recording)
    page.words.first.focus()
    top = "document.activeElement.getBoundingClientRect().top + scrollY"
    first = page.evaluate(top)
    page.press("ArrowDown")
    second = page.evaluate(top)
    assert second > first
    page.press("ArrowDown", "ArrowUp")
    assert page.evaluate(top) == second
    page.press("ArrowUp", "ArrowUp")
    assert page.evaluate(top) == first


def test_the_next_unsure_word(opened, server, speech):
    result = json.loads(ask(server, f"v1/transcribe?filename={speech.path.name}", speech.path))

    def unsure(route):
        for index, word in enumerate(result["words"]):
            word["confidence"] = 0.5 if index == 2 else 0.7 if index == 3 else 0.99
        route.fulfill(json=result)

    page = opened(server, lambda tab: tab.route("**/v1/transcribe*", unsure))
    page.give(speech.path)
    assert page.status.endswith("2 to check.")
    page.words.first.focus()
    current = "document.activeElement.textContent"
    page.press("n")
    assert page.evaluate(current) == page.texts[2]
    page.press("n")
    assert page.evaluate(current) == page.texts[3]
    page.press("n")
    assert page.evaluate(current) == page.texts[2]
    for index in (2, 3):
        page.words.nth(index).dblclick()
        page.type("sure")
        page.press("Enter")
    page.tab.click("#next")
    assert "is sure of every word" in page.status


def test_the_waveform_is_a_slider(page, long_recording):
    page.give(long_recording)
    page.tab.focus("#waveform")
    now = lambda: float(page.tab.get_attribute("#waveform", "aria-valuenow"))
    length = float(page.tab.get_attribute("#waveform", "aria-valuemax"))
    assert length > 60

    def press(key, expected):
        page.press(key)
        page.until("expected => Math.abs(document.getElementById('waveform').getAttribute('aria-valuenow') - expected) < 0.05", expected)

    press("ArrowRight", 1)
    press("PageDown", 11)
    press("PageUp", 1)
    press("ArrowLeft", 0)
    press("ArrowLeft", 0)
    press("End", length)
    press("Home", 0)
    press("PageDown", 10)
    text = page.tab.get_attribute("#waveform", "aria-valuetext")
    assert text.startswith(f"10.0 of {length:.1f} s")
    page.press("Space")
    page.until("!document.getElementById('player').paused")
    page.press("Space")
    page.until("document.getElementById('player').paused")
    assert now() >= 10


def test_the_focus_is_always_visible(page, speech):
    page.give(speech.path)
    page.tab.click("h1")
    seen = []
    for _ in range(60):
        page.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus["id"] == "BODY":
            break
        assert focus["outline"], f"{focus['id']} has no visible focus"
        seen.append(focus["id"].split(" ")[0])
    for name in ("files", "speak", "name", "waveform", "play", "edit", "undo", "word", "download", "copy"):
        assert name in seen, f"the Tab key does not reach {name}"
    assert seen.count("word") == 1, "the words are one stop; arrow keys move between them"


def test_the_table_says_what_the_waveform_shows(page, speech):
    page.give(speech.path)
    page.tab.click("#times summary")
    page.until("document.querySelector('#times tbody tr')")
    rows = page.tab.locator("#times tbody tr").all()
    cells = [row.locator("td").all_text_contents() for row in rows]
    assert [row[0] for row in cells] == page.texts
    assert all(float(row[1]) < float(row[2]) for row in cells)
    page.words.first.dblclick()
    page.type("First")
    page.press("Enter")
    assert page.tab.locator("#times tbody tr").first.locator("td").all_text_contents()[::3] == ["First", "corrected"]


def test_a_screen_reader_is_told(page, speech):
    assert page.tab.locator("[role=status]").count() == 1
    page.give(speech.path)
    assert page.status == page.tab.get_by_role("status").text_content()
    assert page.tab.get_by_role("log").text_content() == page.text
    assert page.tab.get_by_role("slider", name="Position in the recording").count() == 1
    description = page.tab.locator("#" + page.tab.get_attribute("#waveform", "aria-describedby")).text_content()
    assert f"{len(page.texts)} words" in description
    for role in ("banner", "main", "contentinfo"):
        assert page.tab.get_by_role(role).count() == 1
    # A word's name begins with what is seen of it, and goes on with its times and confidence.
    label = page.words.first.get_attribute("aria-label")
    assert label.startswith(page.texts[0] + ", ") and " s, confidence " in label
