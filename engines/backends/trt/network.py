"""From an ONNX file to a network and its optimisation profiles, with the parser's own words."""

from __future__ import annotations

from typing import Any

from engines.backends.trt import versions
from engines.backends.trt.logger import RECORD
from engines.worker.failure import WorkerError

# The type that a typed network must hold somewhere to be what it is asked to be.
NEEDED = {"fp16": "HALF", "bf16": "BF16", "int8": "INT8"}


class Network:
    """A parsed network. Its weights stay in the ONNX bytes and the parser, so it holds both."""

    def __init__(self, trt: Any, builder: Any, logger: Any, path: str) -> None:
        self._trt = trt
        self.network = builder.create_network(versions.network_flags(trt))
        self._parser = trt.OnnxParser(self.network, logger)
        with open(path, "rb") as file:
            self._onnx = file.read()
        if not self._parser.parse(self._onnx):
            raise _refused(versions.title(trt), self._parser)
        for tensor in self._tensors():
            if tensor.dtype != trt.DataType.FLOAT:
                raise WorkerError(
                    f"the ONNX file's '{tensor.name}' is {tensor.dtype.name}, expected FLOAT",
                    hint="export it again: inputs and outputs are float32 in every precision",
                    kind="onnx",
                )

    @property
    def input(self) -> Any:
        return self.network.get_input(0)

    def _tensors(self) -> list[Any]:
        network = self.network
        return [network.get_input(index) for index in range(network.num_inputs)] + [
            network.get_output(index) for index in range(network.num_outputs)
        ]

    def io(self) -> dict[str, dict[str, Any]]:
        """Name, type and shape (-1: any) of each input and output."""
        return {
            tensor.name: {"dtype": tensor.dtype.name, "shape": [int(size) for size in tensor.shape]}
            for tensor in self._tensors()
        }

    def add_profiles(self, builder: Any, config: Any, profiles: list[list[int]]) -> None:
        """One optimisation profile for each (smallest, best, largest) batch of `profiles`."""
        image = [int(size) for size in self.input.shape][1:]
        for batches in profiles:
            profile = builder.create_optimization_profile()
            profile.set_shape(self.input.name, *((batch, *image) for batch in batches))
            if config.add_optimization_profile(profile) < 0:
                raise WorkerError(
                    f"TensorRT refuses the optimisation profile {'/'.join(map(str, batches))}"
                    f": {RECORD.reason()}",
                    hint="expected min_batch <= opt_batch <= max_batch",
                    kind="usage",
                )

    def check_types(self, precision: str) -> None:
        """WorkerError where a typed network holds nothing of `precision`: it would build as FP32.

        Before TensorRT had types, its flags decide while it builds; then there is nothing to see.
        """
        needed = NEEDED.get(precision)
        if needed is None or not versions.typed(self._trt) or needed in self._types():
            return
        raise WorkerError(
            f"the ONNX file holds nothing in {needed}, and {versions.title(self._trt)} takes"
            f" {precision} from the file alone",
            hint="convert it again: infer-tui build --force",
            kind="precision",
        )

    def _types(self) -> set[str]:
        """The types that the network's layers write."""
        network = self.network
        layers = (network.get_layer(index) for index in range(network.num_layers))
        tensors = (
            layer.get_output(index) for layer in layers for index in range(layer.num_outputs)
        )
        return {tensor.dtype.name for tensor in tensors if tensor is not None}


def _refused(title: str, parser: Any) -> WorkerError:
    """The parser's first error, by operator and node where it is about one."""
    errors = versions.parser_errors(parser, RECORD.errors)
    if not errors:
        return WorkerError(f"{title} can't read the ONNX file: {RECORD.reason()}", kind="onnx")
    first = errors[0]
    where = f" at {first['operator']} '{first['name']}'" if first["operator"] else ""
    more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
    return WorkerError(
        f"{title} can't read the ONNX file{where}: {' '.join(first['words'].split())}{more}",
        hint="the log has the parser's words in full",
        kind="onnx",
    )
