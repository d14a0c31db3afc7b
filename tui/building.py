"""The part of the app that has engine files built and layers timed: when either may go, and what
is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engines.plan import EngineSpec, OptionValue
from tui import background
from tui.builds import BuildOrder, BuildQueue, BuildsArrived
from tui.layer_times import LayerDesk, LayersArrived, LayersOrder
from tui.picturing import PicturingApp
from tui.remembered import remember_build_options

if TYPE_CHECKING:
    from engines.plan import ModelSpec, RunPlan
    from tui.choice import Choice
    from tui.screens.bench import BenchScreen
    from tui.selection import Selection


class BuildingApp(PicturingApp):
    """An app that builds engine files and times layers, one at a time, and never beside a run."""

    plan: RunPlan
    selection: Selection

    def __init__(self) -> None:
        super().__init__()
        self.builds = BuildQueue(lambda: self.post_message(BuildsArrived()))
        self.layer_times = LayerDesk(lambda: self.post_message(LayersArrived()))
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

    def remember(self) -> None:
        """Keep what is chosen now for the next start."""
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
        self.remember()
        self.builds.add(
            BuildOrder(self.model, spec, choice.availability, self.plan.input_seed, anew)
            for spec in choice.specs()
        )
        self.look_at_files()
        self.go_on()

    def go_on(self) -> None:
        """Begin what waits and may go by now: the next build, or else the run."""
        if not (self.controller.running or self.layer_times.going or self.leaving):
            drive = self.builds.start_next()
            if drive is not None:
                self.in_thread("build", drive)
            elif not self.builds.busy and not self.checking:
                if (timing := self.layer_times.start_next()) is not None:
                    self.in_thread("layers", timing)
                elif self.waiting_to_run:
                    self.waiting_to_run = False
                    self.start_run()
                    return
        self.bench.work_changed()

    def on_builds_arrived(self) -> None:
        drive = self.builds.take_events()
        if drive is None or self.closed:
            return
        self.work_ended(drive, failed=bool(drive.crash or drive.error))
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

    # Layers

    def time_layers(self, spec: EngineSpec) -> None:
        """Have the layers of an entry timed, once what goes by now is over."""
        known = tuple(choice.availability for choice in self.selection.choices)
        self.layer_times.ask(LayersOrder(self.model, spec, known, self.plan.input_seed))
        self.go_on()
        self.show_layers()

    def on_layers_arrived(self) -> None:
        drive = self.layer_times.take_events()
        if self.closed:
            return
        if drive is not None:
            self.work_ended(drive, failed=bool(drive.crash or drive.error))
            if self.leaving:
                self.exit()
                return
            if drive.crash:
                self.show_problem("A fault in infer-tui", drive.crash)
            self.look_at_files()
            self.go_on()
        self.show_layers()

    def show_layers(self) -> None:
        """Draw anew what is open of them."""
        from tui.screens.layers import LayersScreen

        for screen in self.screen_stack:
            if isinstance(screen, LayersScreen) and screen.is_mounted:
                screen.draw()

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
