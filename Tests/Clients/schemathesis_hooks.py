"""What schemathesis cannot know: what a recording is, and what the guide says about values."""
import os
import pathlib

import schemathesis
from hypothesis import strategies

recording = strategies.just(pathlib.Path(os.environ["SCHEMATHESIS_RECORDING"]).read_bytes())
schemathesis.openapi.format("binary", recording)
schemathesis.openapi.media_type("application/octet-stream", recording)
MODELS = os.environ["SCHEMATHESIS_MODELS"].split(",")


@schemathesis.hook
def filter_query(context, query):
    """An empty value counts as none; a layer or a task that a model does not have is a bad request."""
    if not query:
        return True
    layer = str(query.get("layer"))
    return "" not in query.values() and query.get("model") not in MODELS and not (layer.isdigit() and int(layer) > 2)


@schemathesis.hook
def filter_body(context, body):
    return not isinstance(body, dict) or body.get("model") not in MODELS
