"""Hugging Face's model as an ONNX file, once for all engines that read it."""
import os

import torch


def onnx_model(folder):
    """The file, with `audio` [batch, samples] going in and `logits` coming out; both may have any size."""
    file = folder / "base.onnx"
    if file.exists():
        return file
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    import common

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            config = Wav2Vec2Config(vocab_size=common.LABELS, attn_implementation="sdpa")
            self.model = Wav2Vec2ForCTC(config).eval()

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
