"""The part of the app that has engine files built: when one may go, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engines.plan import OptionValue
from tui import background
from tui.builds import BuildOrder, BuildQueue, BuildsArrived
from tui.leaving import LeavingApp
from tui.remembered import remember_build_options

if TYPE_CHECKING:
    from engines.plan import ModelSpec, RunPlan
    from tui.screens.bench import BenchScreen
    from tui.selection import Choice, Selection


class BuildingApp(LeavingApp):
    """An app that builds engine files one at a time, and never beside a run."""

    plan: RunPlan
    selection: Selection

    def __init__(self) -> None:
        super().__init__()
        self.builds = BuildQueue(lambda: self.post_message(BuildsArrived()))
        self.waiting_to_run = False
        # The number of the last look at the engine files: what an earlier one saw is out of date.
        self._look = 0

    @property
    def model(self) -> ModelSpec:
        return self.plan.model

    @property
    def bench(self) -> BenchScreen:
        """The screen at the bottom of the stack."""
        raise NotImplementedError

    @property
    def checking(self) -> bool:
        """Whether workers still answer the questions of the start."""
        raise NotImplementedError

    def in_thread(self, name: str, function: Callable[..., object], *arguments: object) -> None:
        """Call `function` in a thread of its own; it answers by messages."""
        self.run_worker(
            lambda: function(*arguments), name=name, group=name, thread=True, exit_on_error=False
        )

    def show_problem(self, title: str, reason: str) -> None:
        raise NotImplementedError

    def start_run(self) -> None:
        """Run what is selected now."""
        raise NotImplementedError

    # Builds

    def build(
        self, choice: Choice, values: Mapping[str, OptionValue], *, anew: bool = False
    ) -> None:
        """Have the engine file of each of a row's entries, built with these options.

        They wait for a run that goes and for each other. With `anew` kept ones are built again.
        """
        choice.set_options(values)
        self.in_thread("remember", remember_build_options, choice.engine, dict(values))
        self.builds.add(
            BuildOrder(self.model, spec, choice.availability, self.plan.input_seed, anew)
            for spec in choice.specs()
        )
        self.look_at_files()
        self.go_on()

    def go_on(self) -> None:
        """Begin what waits and may go by now: the next build, or else the run."""
        if not self.controller.running and not self.leaving:
            drive = self.builds.start_next()
            if drive is not None:
                self.in_thread("build", drive)
            elif self.waiting_to_run and not self.builds.busy and not self.checking:
                self.waiting_to_run = False
                self.start_run()
                return
        self.bench.work_changed()

    def on_builds_arrived(self) -> None:
        drive = self.builds.take_events()
        if drive is None or self.closed:
            return
        if self.leaving:
            self.exit()
            return
        if drive.crash:
            self.show_problem("A fault in infer-tui", drive.crash)
        elif drive.error is not None:
            self.notify(f"{drive.order.title}: {drive.error}", title="Not built",
                        severity="error", timeout=10, markup=False)  # fmt: skip
        self.look_at_files()
        self.go_on()

    # What is kept

    def look_at_files(self) -> None:
        """See, in a thread, which engine files of the rows are kept."""
        questions = [
            background.FilesQuestion(choice.key, choice.specs(), choice.availability)
            for choice in self.selection.choices
            if choice.buildable
        ]
        self._look += 1
        if questions:
            self.in_thread("files", background.look_at_files, self.model, questions,
                           self.plan.input_seed, self._look, self.post_message)  # fmt: skip

    def on_files_seen(self, message: background.FilesSeen) -> None:
        if message.number != self._look or self.closed:
            return
        for choice in self.selection.choices:
            if choice.key == message.question.key and choice.specs() == message.question.specs:
                choice.files = message.states
        self.bench.engines.rebuild()
