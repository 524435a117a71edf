#!/usr/bin/env python3
"""ONNX Runtime on Hugging Face's model: FP32, or the products of the encoder in dynamic INT8."""
import os

import onnxruntime
import torch

import common
from export import onnx_model

found = common.options(__doc__)
file = onnx_model(found.models)
if found.variant == "int8":
    quantized = file.with_name("base.int8.onnx")
    if not quantized.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        partial = quantized.with_suffix(".partial")
        quantize_dynamic(file, partial, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
        os.replace(partial, quantized)
    file = quantized
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
options.intra_op_num_threads = found.threads
session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def make(shape):
    batches = [batch.numpy() for batch in common.batches(shape, found.one_by_one)]

    def step():
        for batch in batches:
            session.run(None, {"audio": batch})

    return step


for shape in found.utterances:
    common.measure(found, shape, make(shape), packages={"onnxruntime": onnxruntime.__version__})
