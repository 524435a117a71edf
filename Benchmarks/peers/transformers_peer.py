#!/usr/bin/env python3
"""Hugging Face Transformers: pre-training and fine-tuning steps, and inference.

BASE, FP32 or, with BF16, autocast; SDPA attention, fused AdamW, inference mode; the dropouts and masks of `wav2vec2 benchmark`,
and like there no LayerDrop.
"""
import contextlib

import numpy
import torch
import transformers
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

import common

PACKAGES = {"transformers": transformers.__version__, "torch": torch.__version__}


def precision():
    """The numbers of a forward pass: those of the weights, or BF16 where PyTorch holds it safe."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if found.variant == "bf16" else contextlib.nullcontext()


def pretraining(audio):
    config = Wav2Vec2Config(
        hidden_dropout=0.1, attention_dropout=0.1, activation_dropout=0.0, feat_proj_dropout=0.1,
        feat_quantizer_dropout=0.1, layerdrop=0.0, mask_time_prob=0.65, mask_time_length=10, attn_implementation="sdpa")
    model = Wav2Vec2ForPreTraining(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    # Pre-training crops to one length, without padding.
    batch = torch.stack([signal[: min(map(len, audio))] for signal in audio])
    shape = (len(audio), int(model._get_feat_extract_output_lengths(batch.shape[1])))

    def step():
        mask = _compute_mask_indices(shape, 0.65, 10, min_masks=2)
        negatives = _sample_negative_indices(shape, config.num_negatives, mask)
        with precision():
            output = model(
                batch, mask_time_indices=torch.from_numpy(mask), sampled_negative_indices=torch.from_numpy(negatives))
        (output.loss / mask.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 25)
        optimizer.step()
        optimizer.zero_grad()

    return step


def finetuning(audio):
    config = Wav2Vec2Config(
        vocab_size=common.LABELS, hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.1,
        feat_proj_dropout=0.0, final_dropout=0.0, layerdrop=0.0, mask_time_prob=0.65, mask_time_length=10,
        mask_feature_prob=0.5, mask_feature_length=64, ctc_zero_infinity=True, pad_token_id=0,
        attn_implementation="sdpa")
    model = Wav2Vec2ForCTC(config).train()
    model.freeze_feature_encoder()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, fused=True)
    batch, mask = common.padded(audio)
    # 14 letters per second; -100 marks positions without a label.
    counts = [max(1, len(signal) * 14 // 16000) for signal in audio]
    labels = torch.full((len(audio), max(counts)), -100)
    for row, count in enumerate(counts):
        labels[row, :count] = torch.randint(4, common.LABELS, (count,))
    equal = len({len(signal) for signal in audio}) == 1

    def step():
        # Without padding no mask is needed, and attention is faster without one.
        with precision():
            loss = model(batch, attention_mask=None if equal else mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def inference(found):
    model = Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=common.LABELS, attn_implementation="sdpa")).eval()

    def steps(shape):
        batches = common.batches(shape, found.one_by_one)

        @torch.inference_mode()
        def step():
            # Models with group normalization treat padding as silence, according to their model cards: no mask.
            for batch in batches:
                model(batch).logits.log_softmax(-1)

        return step

    return steps


found = common.options(__doc__.splitlines()[0], ("pretrain", "finetune", "inference"))
torch.manual_seed(1)
numpy.random.seed(1)
if found.task == "inference":
    make = inference(found)
else:
    make = lambda shape: {"pretrain": pretraining, "finetune": finetuning}[found.task](common.utterances(shape))
for shape in found.utterances:
    common.measure(found, shape, make(shape), packages=PACKAGES)
