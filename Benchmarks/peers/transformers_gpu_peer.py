#!/usr/bin/env python3
"""Hugging Face Transformers on a GPU: BASE, BF16 by autocast, SDPA attention, fused AdamW.

Prints one JSON line, with the keys of `wav2vec2 benchmark --json` that a table needs. Nothing waits for the GPU within a
step; masks and negatives are drawn once, outside of it.
"""
import argparse
import json
import statistics
import time

import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices


def pretraining(count, samples):
    config = Wav2Vec2Config(
        hidden_dropout=0.1, attention_dropout=0.1, activation_dropout=0.0, feat_proj_dropout=0.1,
        feat_quantizer_dropout=0.1, layerdrop=0.0, mask_time_prob=0.65, mask_time_length=10, attn_implementation="sdpa")
    model = Wav2Vec2ForPreTraining(config).train().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    batch = torch.randn(count, samples, device="cuda")
    shape = (count, int(model._get_feat_extract_output_lengths(samples)))
    mask = _compute_mask_indices(shape, 0.65, 10, min_masks=2)
    negatives = torch.from_numpy(_sample_negative_indices(shape, config.num_negatives, mask)).cuda()
    masked, mask = int(mask.sum()), torch.from_numpy(mask).cuda()

    def step():
        with torch.autocast("cuda", dtype=torch.bfloat16):
            output = model(batch, mask_time_indices=mask, sampled_negative_indices=negatives)
        (output.loss / masked).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 25)
        optimizer.step()
        optimizer.zero_grad()

    return step


def inference(count, samples):
    config = Wav2Vec2Config(vocab_size=32, attn_implementation="sdpa")
    model = Wav2Vec2ForCTC(config).eval().cuda().to(torch.bfloat16)
    batch = torch.randn(count, samples, device="cuda", dtype=torch.bfloat16)

    @torch.inference_mode()
    def step():
        model(batch).logits.float().log_softmax(-1)

    return step


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--task", choices=("pretrain", "inference"), default="pretrain")
parser.add_argument("--utterances", default="8x15", help="a shape such as 8x15")
parser.add_argument("--repetitions", type=int, default=5)
found = parser.parse_args()
torch.manual_seed(1)
count, seconds = found.utterances.split("x")
step = {"pretrain": pretraining, "inference": inference}[found.task](int(count), round(float(seconds) * 16000))
for _ in range(3):
    step()
times = []
for _ in range(found.repetitions):
    torch.cuda.synchronize()
    began = time.perf_counter()
    step()
    torch.cuda.synchronize()
    times.append(time.perf_counter() - began)
median = statistics.median(times)
print(json.dumps({
    "median_s": median, "audio_s_per_s": int(count) * float(seconds) / median,
    "peak_device_mb": torch.cuda.max_memory_allocated() / 2**20,
}))
