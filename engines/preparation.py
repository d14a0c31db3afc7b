"""What engines share: weights, layer table, reference and ONNX file, each made once and kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from engines import files
from engines.artifacts import Artifact, Cache, Making, Miss, sha256_of
from engines.control import Control
from engines.errors import FileError, InferTuiError, WorkerFailed
from engines.events import Event, JobDone, JobFailed, JobKind, JobStarted, Progress
from engines.opset import OPSET
from engines.plan import ModelSpec, Precision
from engines.process import WorkerProcess

# Raised when the recipe of the built-in weights changes, so that old ones are not taken for new.
WEIGHTS_RECIPE = "1"
SUMMARY_RECIPE = "1"
CONVERSION_RECIPE = "2"
# The precisions whose ONNX file is made from the FP32 one.
FROM_FP32: tuple[Precision, ...] = ("fp16", "int8")
# What the files of the user's should be.
EXPECTED = {
    "weights": "a state dict saved by torch.save",
    "calibration": "a float32 array saved by NumPy",
}

Work = Generator[Event, None, Artifact]


@dataclass(frozen=True, slots=True)
class Order:
    """One artifact to be had: what it is called, what it is made from, and the request for it."""

    kind: JobKind
    title: str
    slot: str
    parts: dict[str, str]
    file: str
    do: str
    fields: dict[str, Any]


class Preparation:
    """Makes or finds shared artifacts, in one worker that starts when something is missing."""

    def __init__(self, control: Control, log: Path, cache: Cache | None = None) -> None:
        self.cache = cache or Cache()
        self._control = control
        self._log = log
        self._worker: WorkerProcess | None = None

    def weights(self, model: ModelSpec) -> Work:
        """The state dict that every engine loads; its digest is in the artifact's facts."""
        return self._have(weights_order(model))

    def summary(self, model: ModelSpec) -> Work:
        """The layer table, as JSON."""
        return self._have(summary_order(model))

    def onnx(
        self,
        model: ModelSpec,
        weights: Artifact,
        precision: Precision = "fp32",
        input_seed: int = 0,
    ) -> Work:
        """The ONNX file that computes in `precision`: dynamic batch, float32 in and out.

        FP16 and INT8 are made from the FP32 file, which is made first where it is missing.
        """
        digest = weights.meta.facts["digest"]
        order = onnx_order(model, digest, precision, input_seed)
        source = ""
        if precision in FROM_FP32 and isinstance(self._kept(order), Miss):
            # A source that is there already is no news.
            fp32 = self._kept(onnx_order(model, digest, "fp32", input_seed))
            if isinstance(fp32, Miss):
                fp32 = yield from self.onnx(model, weights)
            source = str(fp32.path)
        fields = {"weights": str(weights.path), "source": source, **order.fields}
        return (yield from self._have(replace(order, fields=fields)))

    def reference(
        self, model: ModelSpec, weights: Artifact, input_seed: int, images: int, batch: int
    ) -> Work:
        """The FP32 logits of `images` seeded images, computed `batch` at a time on the CPU."""
        parts = {
            "architecture": _architecture(model),
            "weights": weights.meta.facts["digest"],
            "input seed": str(input_seed),
            "images": str(images),
            "torch": _version("torch"),
        }
        return self._have(
            Order(
                kind="reference",
                title=f"FP32 reference, {images} images",
                slot=model_slot(model),
                parts=parts,
                file="logits.npy",
                do="reference",
                fields={
                    "model": _fields(model),
                    "weights": str(weights.path),
                    "input_seed": input_seed,
                    "input_size": model.input_size,
                    "images": images,
                    "batch": batch,
                    "options": {"channels_last": False},
                },
            )
        )

    def ask(self, do: str, **fields: Any) -> Generator[Any, None, dict[str, Any]]:
        """Any other request of the same worker."""
        worker = self._worker or self._start()
        try:
            return (yield from worker.ask(do, **fields))
        except WorkerFailed:
            # It may be dead, or what failed may have left it ill: the next request gets a new one.
            worker.kill()
            self._worker = None
            raise

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> Preparation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._worker is not None and kind is not None:
            self._worker.kill()
            self._worker = None
        self.close()

    def _kept(self, order: Order) -> Artifact | Miss:
        return self.cache.find(order.kind, order.slot, order.parts)

    def _start(self) -> WorkerProcess:
        # A conversion that is stopped gives nothing: there is no answer to wait for.
        worker = WorkerProcess(self._log, self._control, patience_s=0.0)
        try:
            worker.greet()
        except InferTuiError:
            worker.kill()
            raise
        self._worker = worker
        return worker

    def _have(self, order: Order) -> Work:
        """Find or make the artifact of `order`, and say so by events."""
        job = f"{order.kind}: {order.title}"
        began = time.monotonic()
        found = self._kept(order)
        yield JobStarted(
            job=job,
            kind=order.kind,
            title=order.title,
            expected_s=self.cache.last_seconds(order.kind, order.slot),
            why=found.why if isinstance(found, Miss) else "",
            log=str(self._log),
        )
        cached = isinstance(found, Artifact)
        if isinstance(found, Miss):
            try:
                found = yield from self._make(job, order)
            except InferTuiError as error:
                yield JobFailed(
                    job=job,
                    kind=order.kind,
                    reason=error.message,
                    hint=error.hint,
                    log_tail=getattr(error, "log_tail", ""),
                )
                raise
        yield JobDone(
            job=job,
            kind=order.kind,
            seconds=time.monotonic() - began,
            cached=cached,
            size_bytes=found.meta.size_bytes,
            path=str(found.path),
            facts=found.meta.facts,
        )
        return found

    def _make(self, job: str, order: Order) -> Work:
        with self.cache.making(order.kind, order.slot, order.parts, self._control) as making:
            if not isinstance(making, Making):
                return making
            if self._worker is None:
                yield Progress(job, "starting")
            path = making.folder / order.file
            asking = self.ask(order.do, path=str(path), **order.fields)
            yield Progress(job, "loading")
            while True:
                try:
                    next(asking)
                except StopIteration as answer:
                    # The worker's own time: that of starting it belongs to no one artifact.
                    took_s = self._worker.took_s if self._worker else 0.0
                    return making.keep(order.file, took_s, answer.value)


def weights_order(model: ModelSpec) -> Order:
    """The weights; FileError where the user's own file can't be read.

    The built-in ones are the same bytes under every torch, so that its version is not a part.
    """
    parts = {"architecture": _architecture(model), "recipe": WEIGHTS_RECIPE}
    if model.weights:
        parts["file"] = _digest_of_user_file(model.weights, "weights")
    else:
        parts["seed"] = str(model.seed)
    return Order(
        kind="weights",
        title=f"weights of {model.label}",
        slot=model_slot(model),
        parts=parts,
        file="weights.pt",
        do="weights",
        fields={"model": _fields(model)},
    )


def onnx_order(model: ModelSpec, digest: str, precision: Precision, input_seed: int) -> Order:
    """The ONNX file of `precision` for weights with this digest; FileError as for the weights."""
    parts = {
        "architecture": _architecture(model),
        "weights": digest,
        "recipe": CONVERSION_RECIPE,
        "opset": str(OPSET),
        "torch": _version("torch"),
        "onnx": _version("onnx"),
    }
    if precision == "fp32":
        return Order(
            kind="export",
            title=f"{model.label} → ONNX fp32",
            slot=model_slot(model),
            parts=parts,
            file="model.onnx",
            do="export",
            fields={"model": _fields(model)},
        )
    parts["precision"] = precision
    if precision in FROM_FP32:
        parts["onnxruntime"] = _version("onnxruntime", "onnxruntime-gpu")
    if precision == "int8":
        parts["calibration"] = (
            _digest_of_user_file(model.calibration, "calibration")
            if model.calibration
            else f"seed {input_seed}"
        )
    return Order(
        kind="export",
        title=f"{model.label} → ONNX {precision}",
        slot=f"{model_slot(model)}-{precision}",
        parts=parts,
        file="model.onnx",
        do="convert",
        fields={"model": _fields(model), "precision": precision, "input_seed": input_seed},
    )


def summary_order(model: ModelSpec) -> Order:
    """The layer table."""
    return Order(
        kind="summary",
        title=f"layers of {model.label}",
        slot=model_slot(model),
        parts={"architecture": _architecture(model), "recipe": SUMMARY_RECIPE},
        file="summary.json",
        do="describe",
        fields={"model": _fields(model)},
    )


def _fields(model: ModelSpec) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(model)
    for name in ("weights", "calibration"):
        if fields[name]:
            # The worker's working folder is not the user's.
            fields[name] = str(files.of_user(fields[name]).absolute())
    return fields


def model_slot(model: ModelSpec) -> str:
    """Which model, in words that a folder can be named by."""
    return f"{model.name}-{model.width:g}-{model.input_size}-{model.classes}"


def _architecture(model: ModelSpec) -> str:
    """What a layer's shape depends on; the slot shows the width to six digits only."""
    return f"{model.name} {model.width!r} {model.input_size} {model.classes}"


def _version(*packages: str) -> str:
    """The version of the first of `packages` that is installed."""
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(package)
    return "absent"


def check_files(model: ModelSpec) -> None:
    """Raise FileError where a file of the user's that `model` names can't be read, or where the
    calibration images are none for its input."""
    for name, what in ((model.weights, "weights"), (model.calibration, "calibration")):
        if name:
            files.check_readable(name, what, EXPECTED[what])
    if model.calibration:
        # NumPy, which most commands do without.
        from engines.worker.failure import WorkerError
        from engines.worker.inputs import read_calibration

        try:
            read_calibration(str(files.of_user(model.calibration)), model.input_size)
        except WorkerError as error:
            raise FileError(str(error), hint=error.hint) from error


def _digest_of_user_file(name: str, what: str) -> str:
    return sha256_of(files.check_readable(name, what, EXPECTED[what]))
