"""The client of the realtime protocol that the guide *Serving* prints."""

import pathlib
import re
import wave

import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "Documentation" / "wav2vec2.docc" / "Serving.md"


@pytest.fixture(scope="module")
def client():
    (block,) = re.findall(r"```javascript\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(block.strip().splitlines()) <= 30
    return block


RUN = """async ({ client, samples, rate, size }) => {
  const transcribe = new Function(client + "; return transcribe;")();
  async function* chunks() {
    const bytes = new Uint8Array(samples);
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  }
  const texts = [];
  for await (const event of transcribe(chunks(), rate)) texts.push(event.text);
  return texts.join(" ");
}"""


# Pieces of an odd number of bytes too: samples may be cut anywhere.
@pytest.mark.parametrize("size", [3200, 999])
def test_the_client_of_the_guide_transcribes(opened, server, speech, client, size):
    page = opened(server, bypass_csp=True)
    with wave.open(str(speech.path)) as file:
        samples, rate = list(file.readframes(file.getnframes())), file.getframerate()
    text = page.evaluate(RUN, {"client": client, "samples": samples, "rate": rate, "size": size})
    spoken = set(speech.text.split())
    assert len(spoken & set(text.split())) >= 0.7 * len(spoken), text


def test_the_client_of_the_guide_reports_errors(opened, server, client):
    page = opened(server, bypass_csp=True)
    with pytest.raises(Exception, match="1000 to 1000000"):
        page.evaluate(RUN, {"client": client, "samples": [0] * 3200, "rate": 1, "size": 3200})
