"""The client of the realtime protocol that the guide *Serving* prints."""

import base64
import pathlib
import re
import wave

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client():
    guide = (ROOT / "Documentation" / "wav2vec2.docc" / "Serving.md").read_text()
    (block,) = re.findall(r"```javascript\n(.*?)```", guide, re.DOTALL)
    assert len(block.splitlines()) <= 30
    assert block in (ROOT / "Examples" / "Realtime" / "realtime.mjs").read_text(), "the guide and the example differ"
    return block


RUN = """async ({ client, samples, address }) => {
  const { recognize } = await import("data:text/javascript," + encodeURIComponent(client));
  const bytes = Uint8Array.from(atob(samples), letter => letter.charCodeAt());
  const texts = [];
  await recognize(address, bytes.buffer, text => texts.push(text));
  return texts.join(" ");
}"""


def run(page, client, samples, address):
    return page.evaluate(RUN, {"client": client, "samples": base64.b64encode(samples).decode(), "address": address})


def test_the_client_of_the_guide_transcribes(opened, server, speech, client):
    page = opened(server, bypass_csp=True)
    with wave.open(str(speech.path)) as file:
        samples, rate = file.readframes(file.getnframes()), file.getframerate()
    text = run(page, client, samples, f"{server.replace('http', 'ws')}v1/live?rate={rate}")
    spoken = set(speech.text.split())
    assert len(spoken & set(text.split())) >= 0.7 * len(spoken), text


def test_the_client_of_the_guide_reports_errors(opened, server, client):
    page = opened(server, bypass_csp=True)
    with pytest.raises(Exception, match="1000 to 1000000"):
        run(page, client, bytes(3200), f"{server.replace('http', 'ws')}v1/live?rate=1")
