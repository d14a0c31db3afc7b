"""A worker process as the driver sees it: ask, listen, stop, and say why it died."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from engines import launch
from engines.control import Control
from engines.errors import Cancelled, FileError, InferTuiError, UsageError, WorkerFailed
from engines.worker.protocol import Decoder, Frame, Message, ProtocolError, encode

# After a polite request to stop; an inference or a compilation may take longer than that.
PATIENCE_S = 2.0
# For an exit that is already under way.
FAREWELL_S = 1.0
CHUNK = 1 << 16
LOG_TAIL_BYTES = 4096
LOG_TAIL_LINES = 12

# What a worker is doing, in words that finish "was killed while ...".
DOING = {
    "probe": "looking for engines",
    "weights": "making the weights",
    "describe": "describing the model",
    "graph": "drawing the graph",
    "export": "exporting to ONNX",
    "convert": "converting the ONNX file",
    "build": "building the engine",
    "parsing": "reading the ONNX file",
    "building": "building the engine",
    "inspecting": "inspecting the engine",
    "times": "timing the device",
    "layers": "timing its layers",
    "profiling": "timing its layers",
    "throughput": "measuring throughput",
    "reference": "computing the FP32 reference",
    "load": "loading",
    "check": "checking its outputs",
    "checking": "checking its outputs",
    "warm-up": "warming up",
    "measure": "measuring",
    "reading the energy": "reading its energy",
}

# Before the number of the process that made it, so that others can tell when it is left over.
SCRATCH = "infer-tui-"

SIGNAL_HINTS: dict[int, str] = {
    signal.SIGSEGV: "a native library crashed; its trace is in the log",
    signal.SIGABRT: "a native library gave up; its last words are in the log",
    signal.SIGILL: "this processor lacks an instruction that the library was built for",
    signal.SIGBUS: "shared memory may be full; see df /dev/shm",
    signal.SIGKILL: "somebody or the kernel killed it; see dmesg",
}


class WorkerProcess:
    """One child process that answers one request at a time.

    It runs under the user's interpreter `environment`, by default under this one, with `settings`
    added to its environment variables, and on the processors `cpus` where any are named. After a
    stop that brings no answer within `patience_s` it is killed. Use it as a context manager:
    leaving it ends the process and everything that it started.
    `took_s` is how long the worker was busy with the last request that it answered.
    """

    took_s = 0.0

    def __init__(
        self,
        log: Path,
        control: Control,
        environment: str = "",
        patience_s: float = PATIENCE_S,
        settings: Mapping[str, str] | None = None,
        cpus: str = "",
    ) -> None:
        self.log = log
        self._control = control
        self._patience_s = patience_s
        self._oom_kills = oom_kills()
        self._decoder = Decoder()
        self._frames: list[Frame] = []
        self._next_id = 0
        self._doing = "starting"
        sweep_scratch_folders()
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as file:
                self._log_start = file.tell()
                self._process = launch.start(self._folder, file, environment, settings, cpus)
        except InferTuiError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        except OSError as error:
            if hasattr(self, "_folder"):
                shutil.rmtree(self._folder, ignore_errors=True)
            hint = "it needs room in its log and in TMPDIR"
            if environment:
                hint = f"check the python of environment '{environment}' in your configuration"
            raise WorkerFailed(f"a worker can't be started: {error}", hint=hint) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def cancelled(self) -> bool:
        """Whether the user has asked to stop."""
        return self._control.cancelled

    def greet(self) -> Message:
        """Wait for the worker's first word. Raises WorkerFailed where it can't start."""
        message, _ = self._receive(deadline=None, heed_cancel=True)
        return message

    def ask(self, do: str, **fields: Any) -> Generator[Frame, None, dict[str, Any]]:
        """Send a request, yield the events on the way, and return the result.

        Raises UsageError where the fault is the user's, WorkerFailed for any other failure, and
        Cancelled where the user stops work that gives no result within two seconds.
        """
        self._next_id += 1
        self._doing = DOING.get(do, do)
        self._send({"do": do, "id": self._next_id, **fields})
        deadline: float | None = None
        while True:
            if self._control.cancelled and deadline is None:
                self.stop()
                deadline = time.monotonic() + self._patience_s
            message, payload = self._receive(deadline, heed_cancel=deadline is None)
            if message is CANCEL_ASKED:
                continue
            event = message["event"]
            if event == "done":
                self.took_s = float(message.get("seconds", 0.0))
                result: dict[str, Any] = message["result"]
                return result
            if event == "failed":
                raise self._failure(message)
            if event == "progress":
                phase = str(message["phase"])
                self._doing = DOING.get(phase, phase)
            yield message, payload

    def stop(self) -> None:
        """Ask the worker to end the current request early; it answers `done` with what it has."""
        self._send({"do": "stop", "id": self._next_id})

    def close(self) -> None:
        """End the process politely, then by force, with everything that it started."""
        if self._process.poll() is None:
            with contextlib.suppress(WorkerFailed):
                self._send({"do": "close", "id": self._next_id + 1})
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(FAREWELL_S)
        self.kill()

    def kill(self) -> None:
        """End the whole process group at once and forget its scratch folder."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(message))
        except (BrokenPipeError, ValueError) as error:
            raise self._death() from error

    def _receive(self, deadline: float | None, *, heed_cancel: bool) -> Frame:
        """The next event; CANCEL_ASKED when the user asks to stop; Cancelled after `deadline`."""
        assert self._process.stdout is not None
        sources: list[Any] = [self._process.stdout]
        if heed_cancel:
            sources.append(self._control)
        while not self._frames:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select(sources, [], [], left)
            if not readable:
                raise Cancelled
            if self._process.stdout in readable:
                self._take(self._process.stdout.read(CHUNK) or b"")
            elif self._doing == "starting":
                raise Cancelled
            else:
                return CANCEL_ASKED, b""
        return self._frames.pop(0)

    def _take(self, data: bytes) -> None:
        if not data:
            raise self._death()
        try:
            self._frames += self._decoder.feed(data)
        except ProtocolError as error:
            self.kill()
            raise WorkerFailed(
                f"the worker spoke nonsense while {self._doing}: {error}",
                hint="a library may write to a descriptor that is not its own; see the log",
                log_tail=self.log_tail(),
            ) from error

    def _failure(self, message: Message) -> Exception:
        if message["kind"] == "usage":
            return UsageError(message["message"], hint=message["hint"])
        if message["kind"] == "file":
            return FileError(message["message"], hint=message["hint"])
        return WorkerFailed(
            message["message"],
            hint=message["hint"],
            log_tail=self.log_tail(),
            kind=message["kind"],
        )

    def _death(self) -> WorkerFailed:
        """Why the process is gone, in words."""
        try:
            code = self._process.wait(FAREWELL_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return WorkerFailed(
                f"the worker closed its stream while {self._doing}", log_tail=self.log_tail()
            )
        kind = "error"
        if code < 0:
            what, hint = f"was killed by {signal_name(-code)}", SIGNAL_HINTS.get(-code, "")
            if -code == signal.SIGKILL and oom_kills() > self._oom_kills:
                hint = "the machine ran out of memory; choose a smaller batch"
                kind = "out-of-memory"
        else:
            what, hint = f"ended with exit code {code}", "its last words are in the log"
            if self._doing == "starting" and (words := self.log_tail().splitlines()):
                # An interpreter that can't run a worker at all says why in its last line.
                hint = words[-1]
        return WorkerFailed(
            f"the worker {what} while {self._doing}",
            hint=hint,
            log_tail=self.log_tail(),
            kind=kind,
        )

    def log_tail(self) -> str:
        """The last lines that the worker or its libraries wrote."""
        try:
            with self.log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, end - LOG_TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])


CANCEL_ASKED: Message = {"event": "cancel asked"}


def sweep_scratch_folders() -> None:
    """Remove the scratch folders of drivers that were killed and could not do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*-*"):
        owner = folder.name.removeprefix(SCRATCH).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started."""
    try:
        with open("/proc/vmstat") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    except (OSError, StopIteration, ValueError):
        return 0
