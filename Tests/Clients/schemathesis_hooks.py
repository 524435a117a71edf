"""What schemathesis cannot invent: a file that is a recording."""
import os
import pathlib

import schemathesis
from hypothesis import strategies

recording = strategies.just(pathlib.Path(os.environ["SCHEMATHESIS_RECORDING"]).read_bytes())
schemathesis.openapi.format("binary", recording)
schemathesis.openapi.media_type("application/octet-stream", recording)
