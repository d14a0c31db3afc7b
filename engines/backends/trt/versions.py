"""Everything that differs between TensorRT 8.6, 10, 11 and TensorRT-RTX, told apart by feature.

A version number is never asked: whether a name is there decides. Names move between versions in
silence (STRONGLY_TYPED is bit 1 in 10 and bit 0 in 11), so no bit is written down here either.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from engines.backends.trt.logger import node_in_log
from engines.worker.failure import WorkerError

# The bindings of TensorRT-RTX are a package of their own; `tensorrt_rtx` re-exports them.
MODULES = {
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
TITLES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
MIB = 2**20
# What a network without types is told by flags. The layers that FP16 and INT8 leave in float32 keep
# TF32, TensorRT's default: its mantissa has the 10 bits that FP16's has, so it loses nothing more.
WEAK_FLAGS = {"fp32": (), "tf32": ("TF32",), "fp16": ("FP16",), "int8": ("INT8", "FP16")}
# TF32 and BF16 come with Ampere: docs.nvidia.com/deeplearning/tensorrt, support matrix, "Hardware
# and precision".
AMPERE = (8, 0)
OTHER_GPU = "it was built for another GPU"
# EngineInvalidityDiagnostics of TensorRT-RTX, in words.
INVALID = {
    "VERSION_MISMATCH": "it was built by another version of TensorRT-RTX",
    "UNSUPPORTED_CC": OTHER_GPU,
    "OLD_CUDA_DRIVER": "the CUDA driver is too old for it",
    "OLD_CUDA_RUNTIME": "the CUDA runtime is too old for it",
    "INSUFFICIENT_GPU_MEMORY": "the GPU has too little memory for it",
    "MALFORMED_ENGINE": "it is not an engine file of this TensorRT-RTX",
    "CUDA_ERROR": "CUDA does not start",
}

# Every attribute of the modules that this package touches, by the feature that it belongs to; a
# test proves that each is there in the versions that `features` says have the feature.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "core": (
        "__version__", "ILogger.__init__", "ILogger.INTERNAL_ERROR", "ILogger.ERROR",
        "ILogger.WARNING", "ILogger.INFO", "ILogger.VERBOSE",
        "Builder.create_network", "Builder.create_builder_config",
        "Builder.create_optimization_profile", "Builder.build_serialized_network",
        "NetworkDefinitionCreationFlag.__members__", "BuilderFlag.__members__", "BuilderFlag.TF32",
        "BuilderFlag.VERSION_COMPATIBLE", "HardwareCompatibilityLevel.__members__",
        "ProfilingVerbosity.DETAILED", "ProfilingVerbosity.LAYER_NAMES_ONLY",
        "MemoryPoolType.WORKSPACE", "TensorIOMode.INPUT", "TensorIOMode.OUTPUT",
        "LayerInformationFormat.JSON", "DataType.FLOAT", "DataType.HALF", "DataType.INT8",
        "DataType.__members__",
        "INetworkDefinition.num_inputs", "INetworkDefinition.get_input",
        "INetworkDefinition.num_outputs", "INetworkDefinition.get_output",
        "INetworkDefinition.num_layers", "INetworkDefinition.get_layer",
        "ILayer.num_outputs", "ILayer.get_output", "ITensor.name", "ITensor.dtype", "ITensor.shape",
        "IBuilderConfig.set_flag", "IBuilderConfig.clear_flag",
        "IBuilderConfig.builder_optimization_level", "IBuilderConfig.profiling_verbosity",
        "IBuilderConfig.hardware_compatibility_level", "IBuilderConfig.set_memory_pool_limit",
        "IBuilderConfig.add_optimization_profile", "IBuilderConfig.create_timing_cache",
        "IBuilderConfig.set_timing_cache", "IBuilderConfig.get_timing_cache",
        "ITimingCache.combine", "ITimingCache.serialize", "IOptimizationProfile.set_shape",
        "OnnxParser.parse", "OnnxParser.num_errors", "OnnxParser.get_error", "ParserError.desc",
        "ParserError.node", "Runtime.deserialize_cuda_engine", "Runtime.engine_host_code_allowed",
        "ICudaEngine.num_io_tensors", "ICudaEngine.get_tensor_name", "ICudaEngine.get_tensor_mode",
        "ICudaEngine.get_tensor_shape", "ICudaEngine.get_tensor_dtype",
        "ICudaEngine.get_tensor_profile_shape", "ICudaEngine.num_optimization_profiles",
        "ICudaEngine.create_execution_context", "ICudaEngine.create_engine_inspector",
        "EngineInspector.execution_context", "EngineInspector.get_engine_information",
        "IExecutionContext.set_input_shape", "IExecutionContext.infer_shapes",
        "IExecutionContext.get_tensor_shape",
        "IExecutionContext.set_tensor_address", "IExecutionContext.execute_async_v3",
        "IExecutionContext.set_optimization_profile_async", "IExecutionContext.nvtx_verbosity",
        "IExecutionContext.profiler", "IExecutionContext.enqueue_emits_profile",
        "IExecutionContext.report_to_profiler", "IProfiler.__init__",
        "IProfiler.report_layer_time",
    ),
    "typed": ("NetworkDefinitionCreationFlag.STRONGLY_TYPED", "DataType.BF16"),
    "weak": (
        "NetworkDefinitionCreationFlag.EXPLICIT_BATCH", "BuilderFlag.FP16", "BuilderFlag.INT8",
    ),
    "named nodes": ("ParserError.node_name", "ParserError.node_operator"),
    "memory size": ("ICudaEngine.device_memory_size",),
    "memory size v2": ("ICudaEngine.device_memory_size_v2",),
    "weights size": ("EngineStat.TOTAL_WEIGHTS_SIZE", "ICudaEngine.get_engine_stat"),
    "rtx": (
        "ComputeCapability.__members__", "ComputeCapability.CURRENT",
        "IBuilderConfig.num_compute_capabilities", "IBuilderConfig.set_compute_capability",
        "Runtime.engine_header_size", "Runtime.get_engine_validity", "EngineValidity.INVALID",
        "EngineInvalidityDiagnostics.__members__",
        "ICudaEngine.create_runtime_config", "IRuntimeConfig.cuda_graph_strategy",
        "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
        "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE", "CudaGraphStrategy.DISABLED",
        "DynamicShapesKernelSpecializationStrategy.EAGER",
    ),
}  # fmt: skip


def load(engine: str) -> Any:
    """The module of `engine`; ImportError or OSError of the last name where none loads."""
    *others, last = MODULES[engine]
    for name in others:
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    return import_module(last)


def features(trt: Any) -> frozenset[str]:
    """Which keys of ATTRIBUTES are the case for the module `trt`."""
    found = {"core", "typed" if typed(trt) else "weak"}
    if hasattr(trt.ParserError, "node_name"):
        found.add("named nodes")
    newer = hasattr(trt.ICudaEngine, "device_memory_size_v2")
    found.add("memory size v2" if newer else "memory size")
    if hasattr(trt, "EngineStat"):
        found.add("weights size")
    if is_rtx(trt):
        found.add("rtx")
    return frozenset(found)


def is_rtx(trt: Any) -> bool:
    """TensorRT-RTX builds for compute capabilities by name; no TensorRT does."""
    return hasattr(trt, "ComputeCapability")


def title(trt: Any) -> str:
    """The product and its version, such as "TensorRT 8.6.0"."""
    return f"{TITLES['tensorrt-rtx' if is_rtx(trt) else 'tensorrt']} {trt.__version__}"


def typed(trt: Any) -> bool:
    """Whether a network takes its precisions from the ONNX file rather than from flags."""
    return "STRONGLY_TYPED" in trt.NetworkDefinitionCreationFlag.__members__


def network_flags(trt: Any) -> int:
    """The flags of `create_network`: typed where that is possible, an explicit batch always."""
    flag = trt.NetworkDefinitionCreationFlag
    return 1 << int(flag.STRONGLY_TYPED if typed(trt) else flag.EXPLICIT_BATCH)


def precisions(trt: Any, capability: str = "") -> list[str]:
    """The precisions that `trt` can build; those of Ampere only where `capability` has them."""
    known = ["fp32", "tf32", "fp16", "bf16", "int8"] if typed(trt) else list(WEAK_FLAGS)
    if capability and tuple(int(part) for part in capability.split(".")) < AMPERE:
        return [one for one in known if one not in ("tf32", "bf16")]
    return known


def apply_precision(trt: Any, config: Any, precision: str) -> None:
    """Tell `config` what the ONNX file does not say of `precision`."""
    if precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)
    if typed(trt):
        return
    if precision not in WEAK_FLAGS:
        raise WorkerError(
            f"{title(trt)} has no {precision}",
            hint="expected one of " + ", ".join(WEAK_FLAGS),
            kind="usage",
        )
    for name in WEAK_FLAGS[precision]:
        config.set_flag(getattr(trt.BuilderFlag, name))


def apply_options(trt: Any, config: Any, options: dict[str, Any]) -> None:
    """Set what the registry's builder options ask for. WorkerError where `trt` lacks one."""
    config.builder_optimization_level = options["builder_level"]
    # Layer by layer what was chosen: the engine file grows by kilobytes, and no kernel changes.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if workspace := options["workspace_mib"]:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace * MIB)
    if options.get("version_compatible"):
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    _set_compatibility(trt, config, options.get("hardware_compatibility", "none"))
    if is_rtx(trt):
        _set_target(trt, config, options.get("compute_capability", "current"))


def _set_compatibility(trt: Any, config: Any, level: str) -> None:
    if level == "none":
        return
    known = [] if is_rtx(trt) else list(trt.HardwareCompatibilityLevel.__members__)
    if level.upper() not in known:
        raise WorkerError(
            f"{title(trt)} has no hardware_compatibility {level}",
            hint="expected one of " + ", ".join(name.lower() for name in known or ["NONE"]),
            kind="usage",
        )
    config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.__members__[level.upper()]


def capabilities(trt: Any) -> list[str]:
    """The compute capabilities that TensorRT-RTX builds for, such as "8.6"; empty for TensorRT."""
    if not is_rtx(trt):
        return []
    numbers = (name[2:] for name in trt.ComputeCapability.__members__ if name.startswith("SM"))
    return [f"{number[:-1]}.{number[-1]}" for number in numbers]


def _set_target(trt: Any, config: Any, target: str) -> None:
    if target != "current" and target not in capabilities(trt):
        raise WorkerError(not_supported(trt, target), kind="usage")
    name = "CURRENT" if target == "current" else f"SM{target.replace('.', '')}"
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(trt.ComputeCapability.__members__[name], 0):
        raise WorkerError(f"{title(trt)} refuses to build for compute capability {target}")


def not_supported(trt: Any, capability: str) -> str:
    """That TensorRT-RTX does not support a GPU of `capability`, in words."""
    release = ".".join(str(trt.__version__).split(".")[:2])
    return (
        f"compute capability {capability} is not supported by {TITLES['tensorrt-rtx']} {release}"
        f" ({', '.join(capabilities(trt))})"
    )


def attach_timing_cache(config: Any, data: bytes) -> str:
    """Let `config` use the timing cache `data` (empty for a new one), and say how that went.

    "attached"; "unsupported" where timing caches do nothing, which TensorRT-RTX says by a
    DeprecationWarning; "refused" where `data` is of another version or GPU: then none is attached.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        cache = config.create_timing_cache(data)
        attached = cache is not None and config.set_timing_cache(cache, False)
    if any(issubclass(one.category, DeprecationWarning) for one in heard):
        return "unsupported"
    return "attached" if attached else "refused"


def invalidity(trt: Any, runtime: Any, data: bytes) -> str:
    """Why TensorRT-RTX can't load the engine `data`, in words; empty where it may, or in TensorRT.

    Its answer comes from the header alone; deserialising a foreign file says much less.
    """
    if not is_rtx(trt):
        return ""
    validity, bits = runtime.get_engine_validity(data[: runtime.engine_header_size])
    if validity != trt.EngineValidity.INVALID:
        return ""
    found = [
        INVALID.get(name, name)
        for name, member in trt.EngineInvalidityDiagnostics.__members__.items()
        if int(bits) & int(member)
    ]
    return "; ".join(found) or "CUDA does not say what GPU there is"


def activation_bytes(engine: Any) -> int:
    """GPU memory that an execution context needs for its activations."""
    if hasattr(type(engine), "device_memory_size_v2"):
        return int(engine.device_memory_size_v2)
    return int(engine.device_memory_size)


def weight_bytes(trt: Any, engine: Any) -> int | None:
    """The weights in an engine; None where this TensorRT does not tell."""
    if not hasattr(trt, "EngineStat"):
        return None
    size = int(engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE))
    return size if size >= 0 else None


def execution_context(trt: Any, engine: Any, cuda_graph: bool) -> Any:
    """A context to run `engine`, None where TensorRT could not make one; its log says why.

    TensorRT-RTX compiles its kernels here, for the very shapes (EAGER): otherwise a slower kernel
    would run until one is ready, in the middle of a measurement. It also captures its own CUDA
    graph, which knows when to; a capture of ours would need an engine file built for that.
    """
    if not is_rtx(trt):
        return engine.create_execution_context()
    runtime_config = engine.create_runtime_config()
    strategy = trt.CudaGraphStrategy
    runtime_config.cuda_graph_strategy = (
        strategy.WHOLE_GRAPH_CAPTURE if cuda_graph else strategy.DISABLED
    )
    runtime_config.dynamic_shapes_kernel_specialization_strategy = (
        trt.DynamicShapesKernelSpecializationStrategy.EAGER
    )
    return engine.create_execution_context(runtime_config)


def parser_errors(parser: Any, lines: Sequence[str]) -> list[dict[str, str]]:
    """What `parser` has against a file: `operator`, `name` and `words` of each error.

    Older parsers know only the node's number; its operator is then in the log's `lines`.
    """
    found = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        if hasattr(error, "node_name"):
            operator, name = error.node_operator(), error.node_name()
        else:
            operator, name = node_in_log(lines, error.node())
        found.append({"operator": operator, "name": name, "words": error.desc()})
    return found
