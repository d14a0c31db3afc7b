"""The app: what is chosen, what is run, what is shown. Nothing here measures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import App
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from engines.plan import Measurement, RunPlan
from tui import background
from tui.actions import bindings, check_keymap, to_textual, told
from tui.controller import Controller, EventsArrived
from tui.keeping import KeepingApp
from tui.pace import LOCAL, Line
from tui.palette_commands import ActionsProvider
from tui.screens.bench import BenchScreen
from tui.selection import NOT_CONFIGURED, Selection
from tui.themes import DEFAULT_THEME, THEMES

if TYPE_CHECKING:
    from textual.theme import Theme

    from profiles.store import Store
    from tui.builds import BuildOrder
    from tui.controller import Drive
    from tui.memory import Memory, Remembered

# A thread of Textual's writes the first frame. Imports begin when it has: they would hold the GIL,
# and the frame would come a tenth of a second later.
FIRST_FRAME_OUT_S = 0.1
STYLES = Path(__file__).parent / "styles"


class InferTuiApp(KeepingApp):
    """Benchmarks one model through its engines, live."""

    TITLE = "infer-tui"
    CSS_PATH = [STYLES / f"{name}.tcss" for name in ("app", "bench", "dialogs")]
    BINDINGS = bindings("app")
    COMMANDS = {ActionsProvider}

    def __init__(
        self,
        *,
        plan: RunPlan | None = None,
        store: Store | None = None,
        line: Line = LOCAL,
        ascii_only: bool = False,
        keymap: Mapping[str, str] | None = None,
        memory: Memory | None = None,
        bell: bool = False,
    ) -> None:
        super().__init__()
        self.plan = plan or RunPlan()
        # A plan says what is run and how: what is remembered of that waits for a start without.
        self._by_plan = plan is not None
        self.memory = memory
        recalled = memory.remembered if memory is not None else None
        self.measurement: Measurement = self.plan.measurement
        if recalled is not None and recalled.measurement is not None and not self._by_plan:
            self.measurement = recalled.measurement
        self.selection = Selection(self.plan.engines, recalled.rows if recalled else ())
        self.line = line
        self.ring = bell
        self.ascii_only = ascii_only
        self.keymap_in_use = check_keymap(keymap or {})
        self.controller = Controller(store, self._announce, self.keymap_in_use)
        self._asking: set[str] = set()
        self._first_frame = ExitStack()
        for theme in THEMES:
            self.register_theme(theme)
        wanted = os.environ.get("TEXTUAL_THEME") or (recalled.theme if recalled else "")
        # Textual has taken the variable's value already, before our themes were known to it.
        self.set_reactive(App.theme, "textual-dark")
        self.theme = wanted if wanted in self.available_themes else DEFAULT_THEME
        # A theme that the command line or the environment asked for is not remembered.
        self._shown_theme, self._chosen_theme = self.theme, recalled.theme if recalled else ""

    @property
    def checking(self) -> bool:
        """Whether workers still answer the questions of the start."""
        return bool(self._asking)

    @property
    def started(self) -> bool:
        """Whether the first frame is over and the workers have been asked."""
        return self._control is not None

    @property
    def bench(self) -> BenchScreen:
        """The screen at the bottom of the stack."""
        screen = self.screen_stack[0]
        assert isinstance(screen, BenchScreen)
        return screen

    # Start

    def get_default_screen(self) -> Screen[Any]:
        return BenchScreen(self.size)

    def on_load(self) -> None:
        """Hold the drawing until the panels are laid out and filled: one frame instead of four."""
        self._first_frame.enter_context(self.batch_update())

    def show_first_frame(self) -> None:
        """The panels have their size and content: draw them."""
        self._first_frame.close()

    def on_mount(self) -> None:
        self.set_class(self.ascii_only, "-ascii")
        self.set_class(self.line.slow, "-slow-line")
        self.set_keymap(to_textual(self.keymap_in_use))
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.listen_to_signals()
        self.set_timer(FIRST_FRAME_OUT_S, self._begin)

    async def _begin(self) -> None:
        """What waits for the first frame: plots, telemetry, and questions to the workers."""
        from engines.control import Control
        from tui.remembered import last_build_options

        self.selection.remember(last_build_options())
        self.settle()
        self._control = Control()
        self._asking = {"engines", "model"}
        self.in_thread("engines", background.ask_engines, self._control, self.post_message)
        self.in_thread("model", background.describe_model, self.model, self._control,
                        self.post_message)  # fmt: skip
        await self.bench.mount_plots()
        await self.bench.telemetry.begin()
        # The same of what the plots have imported.
        self.settle()
        self.begin_pauses()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault in a thread is shown, and never ends the app."""
        if event.state is WorkerState.ERROR:
            self._answered(event.worker.name)
            self.show_problem("That went wrong", f"{event.worker.name}: {event.worker.error!r}")

    def on_engine_answered(self, message: background.EngineAnswered) -> None:
        if self.closed:
            return
        self.selection.answer(message.availability)
        self.bench.engines.rebuild()
        if message.availability.ready or message.availability.able_to_build:
            self.look_at_files()

    def on_engines_expected(self, message: background.EnginesExpected) -> None:
        if not self.closed:
            self.selection.expect(message.answers)
            self.bench.engines.rebuild()

    def on_config_refused(self, message: background.ConfigRefused) -> None:
        self.notify(message.reason, title="Your interpreters are not known", severity="error",
                    timeout=15, markup=False)  # fmt: skip

    def on_probe_ended(self, message: background.ProbeEnded) -> None:
        if self.closed:
            return
        if self.selection.checking:
            # Without a problem, only an environment that a plan names was not asked.
            self.selection.give_up(message.problem or NOT_CONFIGURED)
            self.bench.engines.rebuild()
        self._answered("engines")

    def on_model_described(self, message: background.ModelDescribed) -> None:
        if self.closed or message.model not in (None, self.model):
            return
        self.controller.facts = message.facts
        self.bench.model_panel.show_answer(message.facts, message.problem)
        self._answered("model")

    def _answered(self, question: str) -> None:
        """One of the questions of the start is answered; a run may have waited for the last."""
        self._asking.discard(question)
        if not self._asking and (self.waiting_to_run or self.layer_times.busy):
            self.go_on()
        self.bench.refresh_bindings()

    # What lasts

    def _theme_changed(self, _: Theme) -> None:
        if self.theme != self._shown_theme:
            self._shown_theme = self._chosen_theme = self.theme
            self.remember()

    def remember(self) -> None:
        """Keep what is chosen now for the next start, where something has changed."""
        if self.memory is not None and self.memory.note(self._to_remember(self.memory.remembered)):
            self.in_thread("memory", self.memory.write)

    def _to_remember(self, known: Remembered) -> Remembered:
        """`known` with what the user chose since; engines and measurement of a plan are not."""
        from tui.memory import Remembered

        return Remembered(
            rows=known.rows if self._by_plan else self.selection.to_remember(),
            measurement=known.measurement if self._by_plan else self._chosen_measurement,
            theme=self._chosen_theme,
            zoomed=self.bench.frame.current if self.bench.frame.zoomed else 0,
            view=self.bench.chosen_view or known.view,
            plots=self.bench.chosen_plots or known.plots,
        )

    @property
    def _chosen_measurement(self) -> Measurement | None:
        return None if self.measurement == self.plan.measurement else self.measurement

    # The run

    def run_selected(self) -> None:
        """Run what is selected, once the builds and the workers that still answer are over."""
        some = self.selection.specs() or (self._asking and self.selection.checking)
        if some and (self._asking or self.builds.busy or self.layer_times.busy):
            self.waiting_to_run = True
            self.bench.draw()
        else:
            self.start_run()

    def start_run(self) -> None:
        specs = self.selection.specs()
        if not specs:
            self.bench.draw()
            words = "Nothing is selected that can run: {engines.select} selects an engine"
            self.notify(told(words, self.keymap_in_use), severity="warning", markup=False)
            return
        if self.controller.unsaved and not self.kept_last_run():
            return
        plan = RunPlan(
            name=self.plan.name,
            model=self.model,
            input_seed=self.plan.input_seed,
            measurement=self.measurement,
            max_latency_ms=self.plan.max_latency_ms,
            engines=specs,
        )
        known = [choice.availability for choice in self.selection.choices]
        self._drive(self.controller.start(plan, known))
        self.bench.work_changed()

    @work(thread=True, exclusive=False, exit_on_error=False, name="run")
    def _drive(self, drive: Drive) -> None:
        drive()

    def _announce(self) -> None:
        self.post_message(EventsArrived())

    def on_events_arrived(self) -> None:
        drive = self.controller.drive
        if not self.controller.take_events() or drive is None or self.closed:
            return
        live = self.controller.live
        self.work_ended(drive, failed=live is None or live.ending == "failed")
        self.bench.work_changed()
        if self.leaving:
            self.exit()
            return
        if drive.error is not None:
            self.show_problem("The run failed", str(drive.error))
        elif drive.crash:
            self.show_problem("A fault in infer-tui", drive.crash)
        self.look_at_files()
        self.go_on()

    def stop(self, waiting: BuildOrder | None = None) -> None:
        """Take a waiting build out, or stop the run, the wait for one, the build that goes, or the
        timing of layers."""
        if waiting is not None:
            self.builds.drop(waiting)
            self.go_on()
        elif self.controller.running:
            self.controller.stop()
        elif self.waiting_to_run:
            self.waiting_to_run = False
        elif self.builds.going:
            self.builds.stop()
        else:
            self.layer_times.stop()
        self.bench.draw()
        self.show_layers()

    def stop_all(self) -> None:
        """Stop whatever goes, and begin nothing that waits."""
        self.waiting_to_run = False
        self.builds.stop_all()
        self.layer_times.stop()
        self.controller.stop()
        self.bench.draw()
        self.show_layers()

    # Plans

    def load_plan(self, plan: RunPlan) -> bool:
        """Choose what `plan` runs and how it measures, in place of what was chosen.

        False where the last run, which nobody saved, could not be kept: then nothing changes.
        """
        if self.controller.unsaved and not self.kept_last_run():
            return False
        other_model = plan.model != self.model
        self.plan, self.measurement = plan, plan.measurement
        self.selection.load(plan.engines, checking="engines" in self._asking)
        if other_model:
            self.controller.forget_model()
            self._asking.add("model")
            self.bench.model_panel.show_model(self.model)
            self.in_thread("model", background.describe_model, self.model, self._control,
                            self.post_message)  # fmt: skip
        self.bench.engines.rebuild()
        self.bench.draw()
        self.look_at_files()
        return True

    def on_problem(self, message: background.Problem) -> None:
        self.show_problem(message.title, message.reason)

    def show_problem(self, title: str, reason: str) -> None:
        from tui.dialogs.message import MessageDialog

        self.push_screen(MessageDialog(title, reason.splitlines()))

    # Everywhere

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Textual chose at the start how to do without colour: another theme is black on black.
        if action == "change_theme" and self.no_color:
            return False
        return super().check_action(action, parameters)

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_picture(self) -> None:
        """Write what the screen shows to the present folder."""
        try:
            path = self.save_screenshot(path=str(Path.cwd()))
        except OSError as error:
            self.notify(f"Not written: {error}", severity="error", markup=False)
        else:
            self.notify(path, title="Picture written", markup=False)

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette, SearchIcon
        from textual.widgets import Input

        super().action_command_palette()

        def rest() -> None:
            if isinstance(self.screen, CommandPalette):
                # A cursor that blinks is sent over the line at every blink.
                self.screen.query_one(Input).cursor_blink = False
                # Its own icon takes two cells, or none, depending on the terminal.
                self.screen.query_one(SearchIcon).icon = "/"

        self.call_after_refresh(rest)
