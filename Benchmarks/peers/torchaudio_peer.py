#!/usr/bin/env python3
"""torchaudio's wav2vec2_base with a head for labels, in inference mode."""
import importlib.metadata
import importlib.util
import sys
import types

import torch

import common

# The model is pure Python. The package's compiled part is not needed and requires CUDA's libraries, so it is left out.
sys.path.append(sys.prefix + "/torchaudio")
package = types.ModuleType("torchaudio")
package.__path__ = list(importlib.util.find_spec("torchaudio").submodule_search_locations)
sys.modules["torchaudio"] = package
from torchaudio.models.wav2vec2.model import wav2vec2_base  # noqa: E402

found = common.options(__doc__)
torch.manual_seed(1)
model = wav2vec2_base(aux_num_out=common.LABELS).eval()


def make(shape):
    batches = common.batches(shape, found.one_by_one)

    @torch.inference_mode()
    def step():
        for batch in batches:
            model(batch)[0].log_softmax(-1)

    return step


for shape in found.utterances:
    common.measure(
        found, shape, make(shape),
        packages={"torchaudio": importlib.metadata.version("torchaudio"), "torch": torch.__version__})
