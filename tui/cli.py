"""`infer-tui`: reads the command line and hands over to the one command that was asked for.

Nothing heavier than argparse is imported before the words are understood, so that `--help` and
`--version` answer at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from engines.errors import EXIT_INTERRUPTED, EXIT_USAGE, InferTuiError
from tui import __version__

# What a shell reports for a command whose reader went away.
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

EPILOG = """\
exit codes:
  0    done, no regression
  1    a regression, an engine outside its tolerance, or nothing within --max-latency
  2    wrong usage, or a file that can't be read or written
  3    the measurement is not valid, or can't tell
  130  interrupted; what was measured is saved

examples:
  infer-tui                                        open the app
  infer-tui run -e eager -e onnxruntime -b 1 -b 8  measure two engines at two batch sizes
  infer-tui run --preset article --save a.toml     the article's own run
  infer-tui run -e eager -e compile --interleave   by turns, with a verdict against the first
  infer-tui compare a.toml b.toml                  FASTER, SLOWER, SAME or UNCLEAR, engine by engine
  infer-tui compare a.toml                         the same within one run that took turns
  infer-tui layers -e onnxruntime --top 10         where its time goes
"""


class Parser(argparse.ArgumentParser):
    """Argparse whose errors are one line and exit code 2, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = Parser(
        prog="infer-tui",
        description="Which engine, precision and batch size should this model be served with?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"infer-tui {__version__}")
    _app_options(root)
    commands = root.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _run(commands.add_parser("run", help="measure without the app, for scripts and CI"))
    _compare(commands.add_parser("compare", help="verdicts on two profiles, or within one"))
    _frontier(commands.add_parser("frontier", help="latency against throughput of one profile"))
    _engines(commands.add_parser("engines", help="what can run here; for the rest, why not"))
    _profiles(commands.add_parser("profiles", help="the saved profiles"))
    _keys(commands.add_parser("keys", help="every action of the app: its id, keys and words"))
    _model(commands.add_parser("model", help="layers, parameters, multiply-adds; the graph"))
    _layers(commands.add_parser("layers", help="where an engine's time goes, layer by layer"))
    _export(commands.add_parser("export", help="write the model's ONNX file"))
    _build(commands.add_parser("build", help="build a TensorRT engine"))
    return root


def _app_options(root: argparse.ArgumentParser) -> None:
    group = root.add_argument_group("the app")
    group.add_argument("--plan", metavar="FILE", help="open with the engines of a plan or profile")
    group.add_argument("--theme", metavar="NAME", help="a theme's name, such as infer-light")
    group.add_argument(
        "--fresh", action="store_true", help="start with nothing of what the last session left"
    )
    switch = argparse.BooleanOptionalAction
    group.add_argument(
        "--slow-line", action=switch, help="for 1,200 bytes a second and up: plots move seldom"
    )
    group.add_argument("--ascii", action=switch, help="draw with ASCII characters only")
    group.add_argument("--mouse", action=switch, help="--no-mouse leaves it to the terminal")
    group.add_argument(
        "--bell", action=switch, help="ring when a run or build ends that took over 10 s"
    )


def _model_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model")
    group.add_argument("--width", type=float, metavar="X", help="width multiplier (1.0)")
    group.add_argument("--input-size", type=int, metavar="PIXELS", help="side of the image (224)")
    group.add_argument("--classes", type=int, metavar="N", help="number of classes (1000)")
    group.add_argument("--weights", metavar="FILE", help="a state dict saved by torch.save")
    group.add_argument("--seed", type=int, metavar="N", help="of the built-in weights (0)")
    group.add_argument(
        "--calibration", metavar="FILE.npy", help="float32 images that INT8 scales are taken from"
    )


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("plan", nargs="?", metavar="PLAN.toml", help="a plan, or a profile")
    command.add_argument("--preset", metavar="NAME", help="a plan that comes with infer-tui")
    command.add_argument("-m", "--model", metavar="MODEL", help="the model (mobilenetv2)")
    command.add_argument(
        "-e",
        "--engine",
        action="append",
        metavar="ENGINE[@ENVIRONMENT]",
        help="eager, compile, onnxruntime, tensorrt, tensorrt-rtx; more than once for several;"
        " with an interpreter of your configuration file, such as tensorrt@trt11",
    )
    command.add_argument("-d", "--device", metavar="DEVICE", help="auto, cpu or cuda (auto)")
    command.add_argument(
        "-p", "--precision", action="append", metavar="P", help="fp32, tf32, fp16, bf16, int8"
    )
    command.add_argument("-b", "--batch", action="append", type=int, metavar="N", help="(1)")
    _set_option(command, "onnxruntime.intra_op_threads=1")
    limit = command.add_mutually_exclusive_group()
    limit.add_argument("-n", "--iterations", type=int, metavar="N", help="measure N inferences")
    limit.add_argument("-s", "--seconds", type=float, metavar="S", help="measure for S seconds")
    _turn_options(command)
    _more_options(command)
    _latency_option(command)
    keep = command.add_mutually_exclusive_group()
    keep.add_argument("--save", metavar="FILE", help="where to save the profile")
    keep.add_argument("--no-save", action="store_true", help="save nothing")
    _overwrite_option(command, "--save", "a profile")
    _format_options(command)
    _progress_option(command)
    _model_options(command)


def _turn_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "by turns",
        "All engines stay loaded and measure blocks in random order, so that a machine that drifts"
        " favours none; each gets a verdict against the first.",
    )
    group.add_argument(
        "--interleave",
        action=argparse.BooleanOptionalAction,
        help="measure by turns, not one after another",
    )
    group.add_argument(
        "--blocks", type=int, metavar="N", help="blocks of each engine, 6 to 1000 (36)"
    )
    group.add_argument("--block-seconds", type=float, metavar="S", help="length of a block (0.25)")
    group.add_argument(
        "--threshold",
        type=float,
        metavar="PCT",
        help="changes of the median up to this many percent are SAME (1); given here, the run is a"
        " gate: exit code 1 if an engine is SLOWER than the first, 3 if one is UNCLEAR",
    )


def _more_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what else is measured, and where")
    group.add_argument(
        "--energy", action=argparse.BooleanOptionalAction, help="the GPU's energy per inference"
    )
    group.add_argument(
        "--in-flight",
        action="append",
        type=int,
        metavar="N",
        help="throughput with N requests in flight; more than once for several",
    )
    group.add_argument(
        "--cpus", metavar="LIST", help="pin the workers to these processors, such as 0-3,8"
    )


def _set_option(command: argparse.ArgumentParser, example: str) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ENGINE.OPTION=VALUE",
        help=f"an engine's option, such as {example}",
    )


def _format_options(command: argparse.ArgumentParser) -> None:
    shape = command.add_mutually_exclusive_group()
    shape.add_argument(
        "--format", choices=("text", "md", "json"), default="text", help="of what is printed (text)"
    )
    shape.add_argument(
        "--json", action="store_const", const="json", dest="format", help="as --format json"
    )


def _overwrite_option(command: argparse.ArgumentParser, option: str, what: str) -> None:
    command.add_argument(
        "--overwrite",
        action="store_true",
        help=f"replace the file of {option} if it exists and is {what}; without it that is refused",
    )


def _progress_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--progress",
        choices=("auto", "line", "plain", "none"),
        default="auto",
        help="on stderr: a line rewritten in place, lines that stay (for a screen reader or a log),"
        " or nothing; auto is the line on a terminal and nothing elsewhere",
    )


def _latency_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-latency",
        metavar="TIME",
        help="name the entry of most throughput within it, such as 2ms, 1.5, 500us or 0.01s;"
        " exit code 1 where none is",
    )


def _frontier(command: argparse.ArgumentParser) -> None:
    command.add_argument("profile", metavar="PROFILE.toml")
    _latency_option(command)
    _format_options(command)


def _compare(command: argparse.ArgumentParser) -> None:
    command.add_argument("baseline", metavar="A.toml")
    command.add_argument(
        "candidate",
        nargs="?",
        metavar="B.toml",
        help="without it: the verdicts within A, whose engines took turns",
    )
    command.add_argument(
        "--threshold",
        type=float,
        metavar="PCT",
        help="changes of the median up to this many percent are SAME (1, or what A was run with)",
    )
    command.add_argument(
        "--spread",
        type=float,
        metavar="PCT",
        help="what two runs of one engine differ by on this machine, the standard deviation of"
        " their ratio in percent (3 on a CPU, 1 on a GPU): less is no verdict",
    )
    _format_options(command)


def _engines(command: argparse.ArgumentParser) -> None:
    _format_options(command)


def _profiles(command: argparse.ArgumentParser) -> None:
    _format_options(command)


def _keys(command: argparse.ArgumentParser) -> None:
    command.description = (
        "The ids are what [keymap] in config.toml gives keys to; the keys are those in force."
    )
    _format_options(command)


def _model(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", default="mobilenetv2", metavar="MODEL")
    command.add_argument("--layers", action="store_true", help="print every layer")
    command.add_argument("--graph", metavar="FILE", help="draw the graph: .svg, .png or .dot")
    _overwrite_option(command, "--graph", "a graph that infer-tui drew")
    _format_options(command)
    _model_options(command)


def _layers(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Times the layers of one engine in a run of its own: a profiler slows what it watches, so"
        " that these times say where the time goes, not how long a request takes."
    )
    command.add_argument("model", nargs="?", default="mobilenetv2", metavar="MODEL")
    command.add_argument(
        "-e", "--engine", required=True, metavar="ENGINE[@ENVIRONMENT]",
        help="eager, compile, onnxruntime, tensorrt, tensorrt-rtx",
    )  # fmt: skip
    command.add_argument("-d", "--device", metavar="DEVICE", help="auto, cpu or cuda (auto)")
    command.add_argument("-p", "--precision", metavar="P", help="fp32, tf32, fp16, bf16, int8")
    command.add_argument("-b", "--batch", type=int, default=1, metavar="N", help="(1)")
    _set_option(command, "onnxruntime.intra_op_threads=1")
    command.add_argument(
        "--sort", choices=("time", "order", "name", "kind"), default="time",
        help="the longest first, in the order of the inference, or by words (time)",
    )  # fmt: skip
    command.add_argument("--top", type=int, metavar="N", help="print the first N layers only")
    _format_options(command)
    _progress_option(command)
    _model_options(command)


def _export(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", default="mobilenetv2", metavar="MODEL")
    command.add_argument("-o", "--output", required=True, metavar="FILE.onnx")
    _overwrite_option(command, "-o", "an ONNX file of PyTorch's")
    _model_options(command)


def _build(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", default="mobilenetv2", metavar="MODEL")
    command.add_argument(
        "-e", "--engine", default="tensorrt", metavar="ENGINE[@ENVIRONMENT]",
        help="tensorrt or tensorrt-rtx (tensorrt)",
    )  # fmt: skip
    command.add_argument(
        "-p",
        "--precision",
        action="append",
        metavar="P",
        help="fp32, tf32, fp16, bf16, int8 (fp16)",
    )
    for name, what in (("min", "smallest"), ("opt", "best"), ("max", "largest")):
        command.add_argument(
            f"--{name}-batch", type=int, metavar="N", help=f"{what} batch of its profile (1)"
        )
    command.add_argument(
        "--level", type=int, choices=range(6), metavar="0..5", help="builder level (3)"
    )
    _set_option(command, "tensorrt.workspace_mib=1024")
    command.add_argument("--force", action="store_true", help="build even if one is kept")
    _format_options(command)
    _progress_option(command)
    _model_options(command)


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; what is unknown is told by the command it was given to, not by the root."""
    root = parser()
    arguments, unknown = root.parse_known_args(words)
    if unknown:
        prog = f"{root.prog} {arguments.command or ''}".strip()
        root.exit(EXIT_USAGE, f"{prog}: unknown argument '{unknown[0]}'; see '{prog} --help'\n")
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` (default: the command line) ask for; returns the exit code."""
    # Reports hold signs such as ± and ×, which a terminal of another encoding shows as '?'.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        arguments = parsed(words)
        command = import_module(f"tui.commands.{arguments.command or 'app'}")
        code: int = command.main(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except InferTuiError as error:
        print(f"infer-tui: {_one_line(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        print("infer-tui: interrupted", file=sys.stderr)  # noqa: T201
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has what it wanted.
        _forget_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        problem = _in_words(error)
        _forget_output()
        print(f"infer-tui: {_one_line(problem)}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    return code


def _in_words(error: OSError) -> str:
    """What failed, and why. Commands name the files that they can't write: what else has no name
    and no room is where the output goes."""
    why = error.strerror or str(error)
    if error.filename is None and error.errno in FULL:
        return f"can't write the output: {why}; free some space there, or send it elsewhere"
    return why if error.filename is None else f"{error.filename}: {why}"


def _forget_output() -> None:
    """Point standard output nowhere, so that Python's own flush at exit can't fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
