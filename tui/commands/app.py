"""`infer-tui`: opens the app. All that the terminal must be asked or told before Textual loads."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path

from engines import paths
from engines.errors import UsageError, nearest
from tui.memory import Memory
from tui.pace import LOCAL, SLOW, SSH, Line
from tui.settings import SWITCHES, Settings, load

FRAMES_PER_S = "240"
# The theme of the 16 colours and the ground that the terminal has itself.
OWN_COLOURS = "ansi-dark"


def main(arguments: argparse.Namespace) -> int:
    check_terminal(os.environ)
    plan = None
    if arguments.plan:
        from profiles.reading import read_plan

        plan = read_plan(Path(arguments.plan))
    settings = with_arguments(load(), arguments)
    line = line_of(settings, arguments.slow_line, os.environ)
    memory = Memory() if arguments.fresh else Memory.read()
    theme = arguments.theme or theme_of_terminal(os.environ, memory.remembered.theme)
    prepare_environment(os.environ, theme)
    if arguments.theme:
        check_theme(arguments.theme)
    redirect_native_output(paths.ready(paths.state_folder() / "logs") / "app.log")

    from tui.app import InferTuiApp

    app = InferTuiApp(
        plan=plan,
        line=line,
        ascii_only=settings.ascii,
        keymap=settings.keymap,
        memory=memory,
        bell=settings.bell,
    )
    app.run(mouse=settings.mouse)
    return app.return_code or 0


def with_arguments(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """The settings with what the command line says in their place."""
    said = {name: getattr(arguments, name) for name in SWITCHES}
    return replace(settings, **{name: one for name, one in said.items() if one is not None})


def check_terminal(environment: Mapping[str, str]) -> None:
    """Raise UsageError where there is no terminal that could show an app.

    Textual itself writes its escape sequences to whatever standard error is.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("the app needs a terminal", hint="in scripts use 'infer-tui run'")
    if environment.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "TERM is 'dumb', which can't show the app",
            hint="set TERM, such as TERM=xterm-256color, or use 'infer-tui run'",
        )


def line_of(settings: Settings, said: bool | None, environment: Mapping[str, str]) -> Line:
    """How the terminal is reached: as the user says, otherwise as the environment tells.

    `said` is what the command line says of a slow line, which `settings` have already.
    """
    if settings.slow_line:
        return SLOW
    if said is False:
        return LOCAL
    return SSH if any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY")) else LOCAL


def theme_of_terminal(environment: Mapping[str, str], remembered: str) -> str | None:
    """The terminal's own colours where it has no more than 16 and the user has chosen no theme.

    Brought down to 16 colours, the app's own theme has one colour for two engines, and the same
    grey for good and for bad.
    """
    if remembered or environment.get("TEXTUAL_THEME"):
        return None
    colors = environment.get("TEXTUAL_COLOR_SYSTEM", "auto")
    if colors == "auto":
        from rich.console import Console

        colors = Console(force_terminal=True, _environ=environment).color_system or ""
    return OWN_COLOURS if colors == "standard" else None


def prepare_environment(environment: MutableMapping[str, str], theme: str | None) -> None:
    """Set what Textual reads at import. What the user has set stays.

    TEXTUAL_FPS: after a key Textual waits for up to two frames' times, 33 ms of the 50 that a key
    may take. What moves by itself has rates of its own, far lower.
    Not COLUMNS and LINES: where they are exported they hold the size that some terminal had once,
    and Textual would believe them rather than this one, also after a resize.
    """
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    environment.setdefault("TEXTUAL_FPS", FRAMES_PER_S)
    if environment.get("NO_COLOR"):
        # Any other theme is turned into 24-bit greys, which a 16-colour terminal shows as black.
        environment["TEXTUAL_THEME"] = OWN_COLOURS
    elif theme:
        environment["TEXTUAL_THEME"] = theme


def check_theme(name: str) -> None:
    """Raise UsageError where there is no theme of that `name`. Imports Textual's themes."""
    from textual.theme import BUILTIN_THEMES

    from tui.themes import THEMES

    known = [*(theme.name for theme in THEMES), *BUILTIN_THEMES]
    if name not in known:
        raise UsageError(f"unknown theme '{name}'", hint=nearest(name, known))


def redirect_native_output(log: Path) -> None:
    """Point descriptors 1 and 2 at `log` and keep the terminal for Textual alone.

    Native code that writes to them would garble the screen. Textual draws through
    `sys.__stderr__` and asks the size of the terminal through `sys.__stdout__`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    for name in ("__stdout__", "__stderr__"):
        terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1)
        setattr(sys, name, terminal)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
