"""The worker's first file: run by its path, `python engines/worker/main.py`, never imported.

It makes `engines` and `mobilenetv2` importable from the folder that holds this file and from
nowhere else: the folder itself stays off the import path, because under another interpreter it is
the site-packages of the app, whose NumPy is built for the app's Python.

It is written in Python 3.6, so that an older interpreter than a worker needs can say what it is.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.util import spec_from_file_location

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OURS = ("engines", "mobilenetv2")
OLDEST = (3, 10)
TOO_OLD = 86  # the exit code of a worker whose interpreter is too old


class OurPackages(MetaPathFinder):
    """Finds the packages of `OURS` in `ROOT`, before any folder of the import path is asked."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if path is not None or name not in OURS:
            return None
        folder = os.path.join(ROOT, name)
        return spec_from_file_location(
            name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )


def forget_script_folder() -> None:
    """Take this file's folder off the import path, where Python puts it for a script."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]


def age_problem(version: "tuple[int, ...]") -> str:
    """What is wrong with a Python of `version`, such as (3, 9, 1); empty where nothing is."""
    if version[:2] >= OLDEST:
        return ""
    found, oldest = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
    return f"this interpreter is Python {found}, a worker needs {oldest} or newer"


def keep_to(arguments: "list[str]") -> None:
    """Run on the processors that `--cpus 0-3,8` names and on no other.

    Before NumPy or a framework is imported: the threads that they start inherit it, and count the
    processors there are.
    """
    if arguments[:1] != ["--cpus"]:
        return
    from engines.worker.processors import parse

    try:
        os.sched_setaffinity(0, parse(arguments[1]))
    except OSError as error:
        sys.stderr.write(f"can't run on processors {arguments[1]}: {error.strerror}\n")
        sys.exit(1)


def main() -> None:
    problem = age_problem(sys.version_info[:3])
    if problem:
        sys.stderr.write(problem + "\n")
        sys.exit(TOO_OLD)
    forget_script_folder()
    sys.meta_path.insert(0, OurPackages())
    keep_to(sys.argv[1:])
    from engines.worker.session import Session
    from engines.worker.streams import claim_streams

    Session(*claim_streams()).serve()


if __name__ == "__main__":
    main()
