"""Makes the files beside it with PyTorch: what torch.save writes in its many ways, each in a few kilobytes.

    python make.py

Run again only to add files: PyTorch's bytes change with its version.
"""

import argparse
import collections
import enum
import io
import pickle
import zipfile

import torch


class Mode(enum.Enum):
    ONE = "one"


def content():
    storage = torch.arange(24, dtype=torch.float32)
    shared = storage.view(4, 6)
    return {
        "dtypes": {
            str(dtype).removeprefix("torch."): torch.tensor([0, 1, 2], dtype=dtype)
            for dtype in (
                torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
                torch.int8, torch.uint8, torch.bool,
            )
        },
        "unsupported": {"complex64": torch.tensor([1j]), "uint16": torch.tensor([1], dtype=torch.uint16)},
        "views": collections.OrderedDict(
            whole=shared, transposed=shared.t(), rows=shared[1:3], columns=shared[:, 1::2], scalar=shared[2, 3],
            empty=torch.empty(0, 3), parameter=torch.nn.Parameter(torch.tensor([7.0])),
        ),
        "numbers": [0, 1, 255, 256, 65535, 65536, -1, -(2**31), 2**40, -(2**40), 2**70, 0.5, float("inf"), True, None],
        "texts": ["", "plain", "Ümlaut 🎙", "x" * 300],
        "tuple": (1, (2, 3), ()),
        "set": {1},
        "bytes": b"\x00\xff",
        "namespace": argparse.Namespace(mask_prob=0.65, inner=argparse.Namespace(deep="yes")),
        "enumeration": Mode.ONE,
        "default": collections.defaultdict(list, a=[1]),
        "object": io.StringIO,
    }


def cycle():
    items = [1]
    items.append(items)
    return {"cycle": items}


for protocol in (2, 3, 4, 5):
    torch.save(content(), f"protocol{protocol}.pt", pickle_protocol=protocol)
torch.save(content(), "legacy.pt", _use_new_zipfile_serialization=False)
torch.save(cycle(), "cycle.pt")

# What a file that means harm would run on loading.
with zipfile.ZipFile("malicious.pt", "w") as archive:
    archive.writestr("archive/data.pkl", b"\x80\x02cos\nsystem\nX\x0a\x00\x00\x00touch harm\x85R.")
    archive.writestr("archive/version", "3\n")
# A tensor that is packed, as no version of PyTorch writes it.
with zipfile.ZipFile("protocol2.pt") as source, zipfile.ZipFile("compressed.pt", "w", zipfile.ZIP_DEFLATED) as archive:
    for name in source.namelist():
        archive.writestr(name, source.read(name))
# Text of protocol 0, as pickles once were.
with zipfile.ZipFile("protocol0.pt", "w") as archive:
    value = {"numbers": [0, -5, 2**70, 0.5, True, None], "texts": ["plain", "Ümlaut"], "tuple": (1, 2)}
    archive.writestr("archive/data.pkl", pickle.dumps(value, protocol=0))
    archive.writestr("archive/version", "3\n")
