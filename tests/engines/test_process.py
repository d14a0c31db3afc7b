"""What the driver makes of a worker that dies, hangs, or speaks nonsense.

A real worker does none of these on demand, so small scripts stand in for it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from engines import launch
from engines.control import Control
from engines.errors import Cancelled, UsageError, WorkerFailed
from engines.process import WorkerProcess

HELLO = """
import os, signal, subprocess, sys, threading
from engines.worker import protocol
out = sys.stdout.buffer
def say(event, **fields):
    out.write(protocol.encode({"event": event, **fields})); out.flush()
say("hello")
request, _ = protocol.read(sys.stdin.buffer)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch):
    """Starts a worker whose program is HELLO and the given lines."""
    started: list[WorkerProcess] = []
    monkeypatch.setenv("PYTHONPATH", str(Path(launch.__file__).parents[1]))

    def start(program: str, control: Control | None = None) -> WorkerProcess:
        script = tmp_path / "worker.py"
        script.write_text(HELLO + program)
        monkeypatch.setattr(
            launch, "command", lambda _environment="": [sys.executable, str(script)]
        )
        process = WorkerProcess(tmp_path / "log", control or Control())
        started.append(process)
        process.greet()
        return process

    yield start
    for process in started:
        process.kill()


@pytest.mark.parametrize(
    ("program", "message", "hint"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL while loading", "dmesg"),
        ("os.abort()", "was killed by SIGABRT while loading", "native library gave up"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV while loading", "crashed"),
        ("os._exit(3)", "ended with exit code 3 while loading", "log"),
        ("say('progress', phase='warm-up'); os._exit(3)", "exit code 3 while warming up", "log"),
        ("out.write(b'Warning: hi, I am a library\\n'); out.flush()", "spoke nonsense", "log"),
    ],
)
def test_a_death_is_told_in_words(worker, program, message, hint):
    process = worker(program)
    with pytest.raises(WorkerFailed) as caught:
        list(process.ask("load"))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_end_of_the_log_comes_with_it(worker):
    process = worker("print('libfoo.so: cannot open', file=sys.stderr); os._exit(1)")
    with pytest.raises(WorkerFailed) as caught:
        list(process.ask("load"))
    assert caught.value.log_tail == "libfoo.so: cannot open"


def test_a_failure_that_is_the_users_is_a_usage_error(worker):
    process = worker("say('failed', kind='usage', message='no such file', hint='give another')")
    with pytest.raises(UsageError, match="no such file; give another"):
        list(process.ask("weights"))


def test_a_worker_that_ignores_a_stop_is_killed_with_its_children(worker, tmp_path):
    control = Control()
    process = worker(
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "say('progress', phase=str(child.pid))\n"
        "signal.pause()",
        control,
    )
    asking = process.ask("load")
    message, _ = next(asking)
    child = psutil.Process(int(message["phase"]))
    control.cancel()
    with pytest.raises(Cancelled):
        list(asking)
    process.kill()
    gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone or child.status() == psutil.STATUS_ZOMBIE
    assert not psutil.pid_exists(process.pid)


def test_a_stop_from_another_thread_wakes_the_driver(worker):
    control = Control()
    process = worker(
        "say('progress', phase='measuring')\n"
        "stop, _ = protocol.read(sys.stdin.buffer)\n"
        "say('done', result={'asked': stop['do'], 'id': stop['id']})",
        control,
    )
    asking = process.ask("measure")
    next(asking)
    threading.Thread(target=control.cancel).start()
    with pytest.raises(StopIteration) as answer:
        next(asking)
    assert answer.value.value == {"asked": "stop", "id": 1}


def test_a_real_worker_ends_when_its_driver_is_gone(tmp_path):
    process = WorkerProcess(tmp_path / "log", Control())
    process.greet()
    worker = psutil.Process(process.pid)
    # A driver that is killed closes its ends of the pipes and can do nothing else.
    process._process.stdin.close()
    process._process.wait(5)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert process._process.returncode == -signal.SIGKILL
    process.kill()


def test_a_worker_has_its_settings_beside_the_users(tmp_path):
    with WorkerProcess(tmp_path / "w.log", Control(), settings={"ONLY_HERE": "1"}) as started:
        started.greet()
        variables = psutil.Process(started.pid).environ()
    assert variables["ONLY_HERE"] == "1"
    assert variables["PATH"] == os.environ["PATH"]
    assert "ONLY_HERE" not in os.environ


def test_the_scratch_folder_goes_with_the_worker(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with WorkerProcess(tmp_path / "log", Control()) as process:
        process.greet()
        assert len([one for one in os.listdir(tmp_path) if one.startswith("infer-tui-")]) == 1
    assert os.listdir(tmp_path) == ["log"]
