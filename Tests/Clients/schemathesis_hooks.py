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
    """An empty value counts as none, and a model that cannot do what is asked is refused as a bad request."""
    return not query or "" not in query.values() and query.get("model") not in MODELS


@schemathesis.hook
def filter_body(context, body):
    return not isinstance(body, dict) or body.get("model") not in MODELS
