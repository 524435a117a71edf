"""A server that asks for a key, and one with several models."""

import pytest
from conftest import RECOGNIZER, serving

KEY = "a-key-for-this-test"


@pytest.fixture
def guarded(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# For the tests of the page.\n{KEY}\n")
    path.chmod(0o600)
    with serving("--api-key-file", path) as (url, _):
        yield url


def test_the_page_asks_for_a_key_and_uses_it(opened, guarded, speech):
    page = opened(guarded, statuses=[401])
    page.until("!document.getElementById('key-form').hidden")
    # Without a key, and with a wrong one, the server's sentence is shown; what was given waits.
    page.give(speech.path)
    assert page.items.first.locator(".error").text_content() != ""
    page.tab.fill("#key", "wrong")
    page.press("Enter")
    page.until("document.getElementById('status').className == 'error'")
    assert page.tab.is_visible("#key-form")
    page.tab.fill("#key", KEY)
    page.press("Enter")
    page.until("document.querySelectorAll('.word').length > 0")
    assert page.tab.is_hidden("#key-form") and page.tab.input_value("#key") == ""

    # The microphone uses it too.
    page.tab.click("#speak")
    page.until("document.getElementById('status').textContent == 'Listening …'")
    page.until("document.querySelectorAll('.word').length > 0", seconds=120)
    page.tab.click("#speak")
    page.until("document.getElementById('speak').textContent == 'Speak'")

    # It is kept nowhere: the page that is loaded again asks for it.
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    assert KEY not in kept
    page.tab.once("dialog", lambda dialog: dialog.accept())
    page.tab.reload()
    page.until("!document.getElementById('key-form').hidden")


def test_one_model_leaves_nothing_to_choose(page):
    assert page.tab.is_hidden("#model-field")


def test_several_models_can_be_chosen(opened, speech):
    checkpoint = RECOGNIZER / "best"
    with serving("--checkpoint", f"second={checkpoint}", checkpoint=f"first={checkpoint}") as (url, _):
        page = opened(url)
        page.until("!document.getElementById('model-field').hidden")
        assert page.tab.locator("#model option").all_text_contents() == ["first", "second"]
        asked = []
        page.tab.on("request", lambda request: asked.append(request.url))
        page.give(speech.path)
        page.tab.select_option("#model", "second")
        page.give(speech.path)
        models = [url.split("model=")[1] for url in asked if "transcribe" in url]
        assert models == ["first", "second"] and len(page.texts) > 0
