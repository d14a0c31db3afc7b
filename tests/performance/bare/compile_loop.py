"""A bare loop of torch.compile in mode reduce-overhead, with its copies."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import torch
from loop import answer, request, timed

asked = request()
sys.path.insert(0, asked["root"])
model = importlib.import_module("mobilenetv2").MobileNetV2(
    n_class=asked["classes"], input_size=asked["input_size"], width_mult=1.0
)
model = model.eval().half().cuda().to(memory_format=torch.channels_last)
torch.backends.cudnn.benchmark = True
shape = (asked["batch"], 3, asked["input_size"], asked["input_size"])
host_in = torch.randn(shape).pin_memory()
host_out = torch.empty(asked["batch"], asked["classes"]).pin_memory()
device_in = torch.empty(shape, device="cuda")
torch._dynamo.mark_static_address(device_in)
compiled = torch.compile(
    lambda x: model(x.to(torch.float16, memory_format=torch.channels_last)).float(),
    mode="reduce-overhead",
)
stream = torch.cuda.Stream()
with torch.inference_mode(), torch.cuda.stream(stream):

    def infer():
        device_in.copy_(host_in, non_blocking=True)
        host_out.copy_(compiled(device_in), non_blocking=True)
        stream.synchronize()

    for _ in range(5):
        infer()
    host_ms = timed(infer)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    computing = []
    for _ in range(500):
        start.record()
        compiled(device_in)
        end.record()
        stream.synchronize()
        computing.append(start.elapsed_time(end))
answer(host_ms=host_ms, device_ms=float(np.median(computing)))
