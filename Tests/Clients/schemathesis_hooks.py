"""What schemathesis cannot know: what a recording is, and what the guide says about values."""
import os
import pathlib

import schemathesis
from hypothesis import strategies

recording = strategies.just(pathlib.Path(os.environ["SCHEMATHESIS_RECORDING"]).read_bytes())
schemathesis.openapi.format("binary", recording)
schemathesis.openapi.media_type("application/octet-stream", recording)
MODELS = os.environ["SCHEMATHESIS_MODELS"].split(",")


WORDS_FOR_FLAGS = {"0", "1", "yes", "no", "on", "off"}


@schemathesis.hook
def filter_case(context, case):
    """Leaves out what the document cannot say.

    An empty value counts as none. A model, a layer of it or a kind of its units that the server does not have is a bad
    request. More words than true and false are understood for flags.
    """
    values = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}
    texts = {name: str(value).lower() for name, value in values.items()}
    layer = texts.get("layer", "")
    return not (
        "" in texts.values()
        or values.get("model") in MODELS
        or layer.isdigit() and int(layer) > 2
        or texts.get("source") in ("clusters", "codes")
        or any(texts.get(flag) in WORDS_FOR_FLAGS for flag in ("stream", "collapse", "upsample", "uppercase"))
    )
