"""A bare `run_with_iobinding` loop of ONNX Runtime with its CUDA graph, copies by torch."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import torch
from loop import answer, request, timed

asked = request()

stream = torch.cuda.Stream()
options = {
    "device_id": "0",
    "use_tf32": "1",  # the file is of FP16: this leaves its convolutions the tensor cores
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "enable_cuda_graph": "1",
    "user_compute_stream": str(stream.cuda_stream),
}
session = ort.InferenceSession(asked["onnx"], providers=[("CUDAExecutionProvider", options)])
shape = (asked["batch"], 3, asked["input_size"], asked["input_size"])
host_in = torch.randn(shape).pin_memory()
host_out = torch.empty(asked["batch"], asked["classes"]).pin_memory()
device_in = torch.empty(shape, device="cuda")
device_out = torch.empty(asked["batch"], asked["classes"], device="cuda")
binding = session.io_binding()
binding.bind_input("input", "cuda", 0, np.float32, shape, device_in.data_ptr())
binding.bind_output("logits", "cuda", 0, np.float32, tuple(device_out.shape), device_out.data_ptr())
run_options = ort.RunOptions()
run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
run = session.run_with_iobinding

with torch.cuda.stream(stream):
    for _ in range(5):
        run(binding, run_options)
    stream.synchronize()

    def infer():
        device_in.copy_(host_in, non_blocking=True)
        run(binding, run_options)
        host_out.copy_(device_out, non_blocking=True)
        stream.synchronize()

    host_ms = timed(infer)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    computing = []
    for _ in range(500):
        start.record()
        run(binding, run_options)
        end.record()
        stream.synchronize()
        computing.append(start.elapsed_time(end))
answer(host_ms=host_ms, device_ms=float(np.median(computing)))
