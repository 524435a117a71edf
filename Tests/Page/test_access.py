"""Accessibility, measured: axe-core, contrasts, a phone, motion, and the page's policy."""

import re
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import PHONE

SCHEMES = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {**PHONE, "color_scheme": "light"}, {**PHONE, "color_scheme": "dark"}]


def violations(page):
    # axe-core is injected into the page, which its policy allows to the browser's own tools.
    results = Axe().run(page.tab).response
    return [f"{item['id']}: {item['help']} at {[node['target'] for node in item['nodes']]}" for item in results["violations"]]


@pytest.mark.parametrize("context", SCHEMES, ids=["light", "dark", "phone-light", "phone-dark"])
def test_axe_finds_nothing(opened, server, speech, tmp_path, context):
    page = opened(server, **context)
    assert violations(page) == []
    notes = tmp_path / "notes.txt"
    notes.write_text("Buy milk.")
    page.expected_statuses.add(422)
    page.give(speech.path, notes)
    # All marks at once: sure, unsure, doubtful, corrected, selected, played.
    page.words.nth(1).dblclick()
    page.type("corrected")
    page.press("Enter")
    page.tab.evaluate("""() => ["sure", "unsure", "doubtful"].forEach((level, index) => {
      document.querySelectorAll(".word")[index == 0 ? 0 : index + 1].className = "word " + level;
    })""")
    for summary in page.tab.locator("summary").all():
        summary.click()
    assert violations(page) == []
    page.words.nth(2).dblclick()
    assert violations(page) == []
    page.press("Escape")
    page.evaluate("() => { document.getElementById('key-form').hidden = false; document.getElementById('model-field').hidden = false; }")
    assert violations(page) == []


def luminance(color):
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrasts(opened, server, scheme):
    """WCAG 2.2: 4.5 : 1 for text, 3 : 1 for what else carries meaning. axe-core does not see into a canvas."""
    page = opened(server, color_scheme=scheme)
    names = ["paper", "raised", "marked", "ink", "quiet", "line", "accent", "on-accent", "error", "wave", "sure", "unsure", "doubtful", "corrected"]
    colors = page.evaluate("names => Object.fromEntries(names.map(name => [name, getComputedStyle(document.body).getPropertyValue('--' + name).trim()]))", names)
    text = [(ink, ground) for ink in ("ink", "sure", "unsure", "doubtful", "corrected") for ground in ("paper", "raised", "marked")]
    text += [("quiet", "paper"), ("quiet", "raised"), ("error", "paper"), ("on-accent", "accent"), ("paper", "error")]
    marks = [("wave", "raised"), ("wave", "marked"), ("accent", "raised"), ("accent", "marked"), ("accent", "paper"), ("line", "paper")]
    for pairs, least in ((text, 4.5), (marks, 3)):
        for pair in pairs:
            found = contrast(*(colors[name] for name in pair))
            assert found >= least, f"{scheme}: {pair[0]} on {pair[1]} has {found:.2f} : 1"


def test_confidence_is_not_told_by_colour_only(page, speech):
    page.give(speech.path)
    styles = page.evaluate("""() => [...document.querySelectorAll("#legend span")].map(span => {
      const { textDecorationLine, textDecorationStyle } = getComputedStyle(span);
      return textDecorationLine + " " + textDecorationStyle;
    })""")
    assert len(styles) == 4 and len(set(styles)) == 4
    assert page.evaluate("[...document.querySelectorAll('#legend span')].map(span => span.className == span.textContent)") == [True] * 4


def targets(page):
    """The visible controls that are smaller than 44 by 44 pixels. (A file input is hit by its label, a choice too.)"""
    return page.evaluate("""() => [...document.querySelectorAll("button, select, summary, canvas, label.button, fieldset label, input[type=password]")]
      .filter(element => element.checkVisibility())
      .map(element => ({ name: element.id || element.textContent, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 43.9 || box.height < 43.9)
      .map(({ name, box }) => `${name}: ${box.width} x ${box.height}`)""")


def test_on_a_phone(opened, server, speech, long_recording, tmp_path):
    page = opened(server, **PHONE)
    long_name = tmp_path / ("a-recording-with-a-very-long-name-without-any-spaces-in-it" * 2 + ".wav")
    long_name.write_bytes(speech.path.read_bytes())

    def check():
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, "it scrolls sideways"
        assert targets(page) == []

    check()
    page.give(long_name, long_recording)
    check()
    page.words.nth(1).tap()
    page.tab.tap("#edit")
    page.type("touched")
    check()
    page.tab.tap("#undo")
    page.evaluate("() => { document.getElementById('key-form').hidden = false; document.getElementById('model-field').hidden = false; }")
    for summary in page.tab.locator("summary").all():
        summary.tap()
    check()
    page.tab.tap("#list li:last-child .name")
    check()


def test_at_400_percent(opened, server, speech):
    """WCAG 1.4.10: 1280 pixels at 400 % are 320."""
    page = opened(server, viewport={"width": 320, "height": 600})
    page.give(speech.path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_no_motion_for_those_who_want_none(opened, server, speech):
    page = opened(server, reduced_motion="reduce")
    page.give(speech.path)
    moving = page.evaluate("""() => [...document.querySelectorAll("*")].filter(element => {
      const { transitionDuration, transitionProperty, animationName } = getComputedStyle(element);
      return animationName != "none" || (transitionProperty != "none" && parseFloat(transitionDuration) > 0);
    }).map(element => element.id || element.tagName)""")
    assert moving == []
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_policy_is_enforced(page, server):
    with urllib.request.urlopen(server) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "'none'" in policy and "unsafe" not in policy and not re.search(r"https?:|\*", policy)
    refused = page.evaluate("""async () => {
      const violations = [];
      document.addEventListener("securitypolicyviolation", event => violations.push(event.effectiveDirective));
      const script = document.createElement("script");
      script.textContent = "window.injected = true";
      document.body.append(script);
      await fetch("https://example.invalid/").catch(() => {});
      document.body.append(Object.assign(new Image(), { src: "/favicon.png" }));
      await new Promise(done => setTimeout(done, 200));
      return { violations, injected: window.injected ?? false };
    }""")
    assert refused["injected"] is False
    assert {"script-src-elem", "connect-src", "img-src"} <= set(refused["violations"])
    page.problems.clear()


def test_file_names_are_shown_and_not_run(page, speech, tmp_path):
    name = "<img src=x onerror=alert(1)>.wav"
    (tmp_path / name).write_bytes(speech.path.read_bytes())
    page.give(tmp_path / name)
    assert page.tab.text_content("#transcript-heading") == name
    assert page.evaluate("document.querySelectorAll('main img').length") == 0
    correction = "<b>bold</b>"
    page.words.first.dblclick()
    page.type(correction)
    page.press("Enter")
    assert page.texts[0] == correction and page.evaluate("document.querySelectorAll('#words b').length") == 0
