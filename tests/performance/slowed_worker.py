"""A worker whose inferences can be made slower by a known time: run by its path, as a worker is.

It is the product's worker with one more request, `slow down`. The wait is busy and lies inside
what the loop times, after the engine's own work, as a slower engine's would.
"""

import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

MAIN = Path(__file__).resolve().parents[2] / "engines" / "worker" / "main.py"


def slow_down(request, session):
    """Let every inference of the loaded engine take `ms` longer from now on; 0 undoes it."""
    from engines.worker.jobs import loaded

    backend = loaded(session)
    vars(backend).pop("infer", None)
    wait_ns = int(request["ms"] * 1e6)
    if wait_ns:
        infer, clock = backend.infer, time.perf_counter_ns

        def slower():
            infer()
            end = clock() + wait_ns
            while clock() < end:
                pass

        backend.infer = slower
    return {}


def main():
    spec = spec_from_file_location("worker_main", MAIN)
    worker = module_from_spec(spec)
    spec.loader.exec_module(worker)
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != MAIN.parent]
    worker.forget_script_folder()
    sys.meta_path.insert(0, worker.OurPackages())
    from engines.worker.jobs import HANDLERS

    HANDLERS["slow down"] = slow_down
    from engines.worker.session import Session
    from engines.worker.streams import claim_streams

    Session(*claim_streams()).serve()


if __name__ == "__main__":
    main()
