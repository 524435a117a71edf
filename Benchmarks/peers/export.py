"""Hugging Face's model with random weights, as an ONNX file and as a checkpoint, once for all who read it."""
import json
import os

import torch

SYMBOLS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]


def random_model():
    """BASE with the same random weights each time."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    import common

    torch.manual_seed(1)
    return Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=common.LABELS, attn_implementation="sdpa")).eval()


def checkpoint(folder):
    """A folder as Transformers writes it, with the weights of the ONNX file."""
    from transformers import Wav2Vec2FeatureExtractor

    written = folder / "base"
    if not (written / "vocab.json").exists():
        random_model().save_pretrained(written)
        Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(written)
        (written / "vocab.json").write_text(json.dumps({symbol: number for number, symbol in enumerate(SYMBOLS)}))
    return written


def onnx_model(folder):
    """The file, with `audio` [batch, samples] going in and `logits` coming out; both may have any size."""
    file = folder / "base.onnx"
    if file.exists():
        return file

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = random_model()

        def forward(self, audio):
            return self.model(audio).logits.log_softmax(-1)

    folder.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with torch.inference_mode():
        torch.onnx.export(
            Logits(), (torch.randn(2, 32000),), str(partial), input_names=["audio"], output_names=["logits"],
            dynamic_axes={"audio": {0: "batch", 1: "samples"}, "logits": {0: "batch", 1: "frames"}}, opset_version=17,
            dynamo=False)
    os.replace(partial, file)
    return file
