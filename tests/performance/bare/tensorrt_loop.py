"""A bare replay loop of a TensorRT engine file: TensorRT, PyCUDA and ctypes, no tool around."""

from __future__ import annotations

import ctypes
import gc

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt
from loop import answer, request, timed


def main():
    asked = request()

    logger = trt.Logger(trt.Logger.ERROR)
    runtime = trt.Runtime(logger)
    with open(asked["engine_file"], "rb") as file:
        engine = runtime.deserialize_cuda_engine(file.read())
    run = engine.create_execution_context()
    stream = cuda.Stream()
    shape = (asked["batch"], 3, asked["input_size"], asked["input_size"])
    host_in = cuda.pagelocked_empty(shape, np.float32)
    host_in[...] = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    host_out = cuda.pagelocked_empty((asked["batch"], asked["classes"]), np.float32)
    device_in, device_out = cuda.mem_alloc(host_in.nbytes), cuda.mem_alloc(host_out.nbytes)
    run.set_input_shape("input", shape)
    run.set_tensor_address("input", int(device_in))
    run.set_tensor_address("logits", int(device_out))
    run.execute_async_v3(stream.handle)
    stream.synchronize()

    driver = ctypes.CDLL("libcuda.so.1")
    pointer = ctypes.c_void_p
    handle, graph, instance = pointer(stream.handle), pointer(), pointer()
    assert driver.cuStreamBeginCapture_v2(handle, 1) == 0
    run.execute_async_v3(stream.handle)
    assert driver.cuStreamEndCapture(handle, ctypes.byref(graph)) == 0
    assert (
        driver.cuGraphInstantiateWithFlags(ctypes.byref(instance), graph, ctypes.c_uint64(0)) == 0
    )
    launch = driver.cuGraphLaunch

    def infer():
        cuda.memcpy_htod_async(device_in, host_in, stream)
        launch(instance, handle)
        cuda.memcpy_dtoh_async(host_out, device_out, stream)
        stream.synchronize()

    host_ms = timed(infer)
    start, end = cuda.Event(), cuda.Event()
    computing = []
    for _ in range(500):
        cuda.memcpy_htod_async(device_in, host_in, stream)
        start.record(stream)
        launch(instance, handle)
        end.record(stream)
        cuda.memcpy_dtoh_async(host_out, device_out, stream)
        stream.synchronize()
        computing.append(end.time_since(start))
    answer(host_ms=host_ms, device_ms=float(np.median(computing)))


cuda.init()
context = cuda.Device(0).retain_primary_context()
context.push()
try:
    main()
finally:
    gc.collect()
    context.pop()
