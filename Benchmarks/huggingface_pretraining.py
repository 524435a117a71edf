#!/usr/bin/env python3
"""Times one pre-training update of Hugging Face's Wav2Vec2ForPreTraining, to set beside `wav2vec2 benchmark pretrain`.

BASE, 4 x 10 s, FP32, 100 negatives, the recipe's dropouts, AdamW fused, SDPA attention, all threads:

    python3 -m venv peer && peer/bin/pip install torch transformers
    peer/bin/python Benchmarks/huggingface_pretraining.py --repetitions 3
"""
import argparse
import json
import resource
import statistics
import time

import numpy
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
options.add_argument("--utterances", type=int, default=4)
options.add_argument("--seconds", type=float, default=10)
options.add_argument("--repetitions", type=int, default=3)
options.add_argument("--threads", type=int, default=torch.get_num_threads())
options = options.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(1)
numpy.random.seed(1)

config = Wav2Vec2Config(
    hidden_dropout=0.1, attention_dropout=0.1, activation_dropout=0.0, feat_proj_dropout=0.1, feat_quantizer_dropout=0.1,
    layerdrop=0.05, mask_time_prob=0.65, mask_time_length=10, attn_implementation="sdpa")
model = Wav2Vec2ForPreTraining(config).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
audio = torch.randn(options.utterances, int(options.seconds * 16000))
frames = int(model._get_feat_extract_output_lengths(audio.shape[1]))


def update():
    mask = _compute_mask_indices((options.utterances, frames), 0.65, 10, min_masks=2)
    negatives = _sample_negative_indices((options.utterances, frames), config.num_negatives, mask)
    output = model(
        audio, mask_time_indices=torch.from_numpy(mask), sampled_negative_indices=torch.from_numpy(negatives))
    (output.loss / mask.sum()).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 25)
    optimizer.step()
    optimizer.zero_grad()


update()
times = []
for _ in range(options.repetitions):
    start = time.perf_counter()
    update()
    times.append(time.perf_counter() - start)
print(json.dumps({
    "program": "transformers", "shape": f"{options.utterances}x{options.seconds:g}",
    "median_s": statistics.median(times), "min_s": min(times),
    "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "threads": options.threads}))
