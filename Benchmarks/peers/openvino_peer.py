#!/usr/bin/env python3
"""OpenVINO on Hugging Face's model: FP32, INT8 weights with dynamic activations, or all of it in static INT8."""
import openvino
import torch

import common
from export import onnx_model

found = common.options(__doc__)
core = openvino.Core()
hints = {
    "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": found.threads, "INFERENCE_PRECISION_HINT": "f32",
    "NUM_STREAMS": 1,
}


def quantized(variant):
    """The model in INT8, made once by OpenVINO's own tool."""
    file = found.models / f"base.{variant}.xml"
    if not file.exists():
        import nncf

        model = core.read_model(onnx_model(found.models))
        if variant == "int8":
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        else:
            samples = [torch.randn(1, 80000, generator=torch.Generator().manual_seed(seed)).numpy() for seed in range(8)]
            model = nncf.quantize(
                model, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))
        openvino.save_model(model, file.with_suffix(".partial.xml"), compress_to_fp16=False)
        file.with_suffix(".partial.bin").rename(file.with_suffix(".bin"))
        file.with_suffix(".partial.xml").rename(file)
    return file


if found.variant == "fp32":
    model = core.read_model(onnx_model(found.models))
else:
    model = core.read_model(quantized(found.variant))
    if found.variant == "int8":
        # Activations are quantized in groups, dynamically.
        hints["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 32
compiled = core.compile_model(model, "CPU", hints)


def make(shape):
    request = compiled.create_infer_request()
    batches = [batch.numpy() for batch in common.batches(shape, found.one_by_one)]

    def step():
        for batch in batches:
            request.infer({"audio": batch}, share_inputs=True, share_outputs=True)

    return step


for shape in found.utterances:
    common.measure(found, shape, make(shape), packages={"openvino": openvino.__version__.split("-")[0]})
