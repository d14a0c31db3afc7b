"""What the keys of the bench do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.plan import ARTICLE_ITERATIONS, Measurement, Precision
from tui.actions import told
from tui.remembered import run_options
from tui.screens.base import InferScreen

if TYPE_CHECKING:
    from engines.plan import EngineSpec
    from tui.builds import BuildOrder
    from tui.choice import Choice
    from tui.memory import PlotMemory
    from tui.screens.layout import PanelLayout
    from tui.widgets.engines import EnginesPanel
    from tui.widgets.histogram import HistogramPanel
    from tui.widgets.latency import LatencyPanel
    from tui.widgets.results import ResultsPanel

PANELS = 7
LATENCY, RESULTS = 4, 6


class BenchActions(InferScreen):
    """The actions of the registry's scopes of the bench and its panels."""

    frame: PanelLayout
    engines: EnginesPanel
    results: ResultsPanel
    # The plots come after the first frame.
    _latency: LatencyPanel | None
    _histogram: HistogramPanel | None

    def draw(self) -> None:
        """Draw everything as it is now."""
        raise NotImplementedError

    def show_title(self) -> None:
        """Show what is run and how far it is."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What works now; the key bar shows nothing else."""
        controller, builds = self.infer.controller, self.infer.builds
        idle = not controller.running and not self.infer.waiting_to_run
        if self.frame.too_small_now and action not in ("stop", "save"):
            return False
        match action:
            case "run":
                return idle
            case "stop":
                layers = self.infer.layer_times
                goes = controller.running or builds.going or layers.going
                stopping = controller.stopping or builds.stopping or layers.stopping
                wait = (
                    self.infer.waiting_to_run
                    or self._build_to_take_out is not None
                    or layers.waiting is not None
                )
                return wait or (goes and not stopping)
            case "save":
                return controller.drive is not None and controller.drive.measured
            case "graph" | "open":
                # Other work on the processor would show in the measurement.
                return idle and not self.infer.layer_times.going
            case "options":
                choice = self.engines.current
                return bool(run_options(choice.engine, choice.device))
            case "plot_entry" | "details" | "copy_row":
                return self.results.current is not None
            case "time_span" | "change_axis" | "change_view":
                return controller.live is not None and self._histogram is not None
            case "copy_all":
                return self.infer.controller.live is not None
            case "zoom":
                return self.frame.zoomed or not self.frame.tabbed
        return super().check_action(action, parameters)

    def on_the_bar(self, action_id: str) -> bool:
        return action_id != "bench.frontier" or self._has_results

    @property
    def _has_results(self) -> bool:
        """Whether any entry in the panels has been measured to its end."""
        live = self.infer.controller.live
        return live is not None and any(one.result for one in live.entries)

    @property
    def _build_to_take_out(self) -> BuildOrder | None:
        """The build that waits under the cursor of panel 3, where that has the keys."""
        return self.frame.conversion.waiting if self.frame.current == 3 else None

    # Panels

    def action_panel(self, number: int) -> None:
        self.frame.focus_panel(number)

    def action_next_panel(self) -> None:
        self.frame.focus_panel(self.frame.current % PANELS + 1)

    def action_previous_panel(self) -> None:
        self.frame.focus_panel((self.frame.current - 2) % PANELS + 1)

    def action_zoom(self) -> None:
        self.frame.zoomed = not self.frame.zoomed
        self.infer.remember()
        self.frame.fit(*self.size)
        self.frame.focus_panel(self.frame.current)

    # The run

    def action_run(self) -> None:
        self.infer.run_selected()

    def action_stop(self) -> None:
        self.infer.stop(self._build_to_take_out)

    def action_measure(self) -> None:
        from tui.dialogs.measurement import MeasurementDialog

        def take(measurement: Measurement | None) -> None:
            if measurement is not None:
                self._measure_by(measurement)

        self.app.push_screen(MeasurementDialog(self.infer.measurement), take)

    def action_article(self) -> None:
        for choice in self.infer.selection.choices:
            choice.use_batch(1)
        self._measure_by(Measurement(iterations=ARTICLE_ITERATIONS))
        self._rows_changed()
        self.notify(f"{ARTICLE_ITERATIONS} iterations of batch 1, as the article measures")

    def _measure_by(self, measurement: Measurement) -> None:
        self.infer.measurement = measurement
        self.infer.remember()
        self.show_title()

    # Engines

    def action_select_engine(self) -> None:
        if not self.infer.selection.toggle(self.engines.cursor):
            found = self.engines.current.availability
            reason = found.reason or "it is still being checked"
            self.notify(f"It can't be selected: {reason}", severity="warning", markup=False)
        self.infer.remember()
        self.engines.rebuild()

    def action_select_all(self) -> None:
        self.infer.selection.toggle_all()
        self.infer.remember()
        self.engines.rebuild()

    def action_precision(self) -> None:
        from tui.dialogs.choose import PrecisionDialog

        choice = self.engines.current

        def take(precisions: tuple[Precision, ...] | None) -> None:
            if precisions is not None:
                choice.change(precisions=precisions)
                self._rows_changed()

        self.app.push_screen(
            PrecisionDialog(choice.engine.title, choice.possible_precisions, choice.precisions),
            take,
        )

    def action_batch(self) -> None:
        from tui.dialogs.choose import BatchDialog

        choice = self.engines.current

        def take(batches: tuple[int, ...] | None) -> None:
            if batches is not None:
                choice.change(batches=batches)
                self._rows_changed()

        self.app.push_screen(BatchDialog(choice.engine.title, choice.batches), take)

    def action_options(self) -> None:
        from tui.dialogs.form import OptionsDialog, Values

        choice = self.engines.current
        options = run_options(choice.engine, choice.device)

        def take(values: Values | None) -> None:
            if values is not None:
                kept = {name: one for name, one in choice.options.items() if name not in values}
                changed = {one.name: values[one.name] for one in options
                           if values[one.name] != one.default}  # fmt: skip
                choice.change(options=kept | changed)
                self._rows_changed()

        note = "They hold for every precision and batch size of this engine."
        if choice.engine.needs_build:
            note += " b has those of its builder."
        self.app.push_screen(
            OptionsDialog(f"Options of {choice.engine.title}", options, choice.options, note), take
        )

    def _rows_changed(self) -> None:
        """What the user has set up may need other engine files."""
        self.infer.remember()
        self.engines.rebuild()
        self.infer.look_at_files()

    def action_build(self) -> None:
        from tui.dialogs.build import BuildDialog, BuildWish

        choice = self.engines.current
        if not choice.engine.needs_build:
            self.notify(f"{choice.engine.title} has nothing to build; put the cursor on TensorRT",
                        severity="warning", markup=False)  # fmt: skip
            return
        if not choice.buildable:
            self._tell_why_it_cant_build(choice)
            return

        def take(wish: BuildWish | None) -> None:
            if wish is not None:
                self.infer.build(choice, wish.values, anew=wish.anew)

        self.app.push_screen(
            BuildDialog(choice, self.infer.model, self.infer.plan.input_seed), take
        )

    def _tell_why_it_cant_build(self, choice: Choice) -> None:
        from engines.building import check_can_build
        from engines.errors import EngineUnavailable
        from tui.dialogs.message import MessageDialog

        lines = ["It is still being checked whether it can be built here."]
        if choice.availability.readiness != "checking":
            try:
                check_can_build(choice.engine, choice.specs()[0], choice.availability)
            except EngineUnavailable as error:
                lines = [f"{error.message}."]
                lines += ["", f"What it needs: {error.hint}"] if error.hint else []
        self.app.push_screen(MessageDialog(f"Build {choice.engine.title}", lines))

    # Layers

    def action_layers(self) -> None:
        from tui.dialogs.choose import EntryDialog
        from tui.screens.layers import LayersScreen

        specs = self._specs_to_time()
        if not specs:
            return

        def show(spec: EngineSpec | None) -> None:
            if spec is not None:
                self.app.push_screen(LayersScreen(spec))

        if len(specs) == 1:
            show(specs[0])
        else:
            kept = [self.infer.layer_times.kept(self.infer.model, one) is not None for one in specs]
            notes = ["timed already" if one else "" for one in kept]
            self.app.push_screen(EntryDialog("Layers of which entry?", specs, notes), show)

    def _specs_to_time(self) -> tuple[EngineSpec, ...]:
        """The entry under the cursor in the results of a run of this session, or those of the
        engine under the cursor; none, and words why, where it can't run."""
        entry = self.results.current if self.frame.current == RESULTS else None
        choice = self.engines.current
        specs = choice.specs()
        if entry is not None and self.infer.controller.drive is not None:
            index = self.infer.selection.index_of(entry.spec)
            if index is not None:
                choice, specs = self.infer.selection.choices[index], (entry.spec,)
        found = choice.availability
        if not found.ready:
            reason = found.reason or "it is still being checked"
            self.notify(f"{choice.engine.title} can't be timed: {reason}", severity="warning",
                        markup=False)  # fmt: skip
            return ()
        return specs

    # Plots

    def action_time_span(self, step: int) -> None:
        if self._latency is not None:
            self._latency.change_span(step)
            self.infer.remember()

    def action_change_axis(self, number: int) -> None:
        panel = self._latency if number == LATENCY else self._histogram
        if panel is not None:
            panel.change_axis()
            self.infer.remember()

    def action_change_view(self, step: int) -> None:
        if self._histogram is not None:
            self._histogram.change_view(step)
            self.infer.remember()

    @property
    def chosen_view(self) -> str:
        """The title of what panel 5 shows; empty before it is there."""
        return self._histogram.view.title if self._histogram is not None else ""

    @property
    def chosen_plots(self) -> PlotMemory | None:
        """How panels 4 and 5 are drawn; None before they are there."""
        from tui.memory import PlotMemory

        if self._latency is None or self._histogram is None:
            return None
        return PlotMemory(
            last_s=self._latency.last_s,
            latency_log=self._latency.axis_chosen,
            distribution_log=self._histogram.axis_chosen,
        )

    # Results

    def action_copy_row(self) -> None:
        entry = self.results.current
        if entry is not None:
            self.infer.copy(self.results.row_text(), f"the result of {entry.label}")

    def action_copy_all(self) -> None:
        from tui import background

        self.infer.in_thread(
            "copy", background.copy_results, self.infer.controller, self.infer.post_message
        )

    def action_plot_entry(self) -> None:
        self.results.toggle_plotted()
        self.draw()

    def action_details(self) -> None:
        from tui.dialogs.message import MessageDialog
        from tui.screens.details import detail_lines

        entry = self.results.current
        if entry is not None:
            self.app.push_screen(MessageDialog(entry.label, detail_lines(entry)))

    # Files and other screens

    def action_save(self) -> None:
        self.infer.ask_where_to_save()

    def action_open(self) -> None:
        from tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen())

    def action_compare(self) -> None:
        from tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen(to_compare=True))

    def action_frontier(self) -> None:
        from tui.screens.frontier import FrontierScreen

        if not self._has_results:
            words = "No entry is measured yet; the frontier is drawn from their results: "
            words += "{bench.run} runs the selected engines, {bench.open} opens a saved profile"
            self.notify(told(words, self.infer.keymap_in_use), severity="warning", markup=False)
            return
        self.app.push_screen(FrontierScreen())

    def action_model(self) -> None:
        from tui.screens.model import ModelScreen

        facts = self.infer.controller.facts
        if facts is None:
            self.notify("The layers are not known yet; they come in a moment", severity="warning")
            return
        self.app.push_screen(ModelScreen(facts))

    def action_graph(self) -> None:
        self.infer.draw_graph()

    def action_log(self) -> None:
        from tui.screens.log import LogScreen

        job = self.frame.conversion.current if self.frame.current == 3 else None
        controller = self.infer.controller
        jobs = [*(controller.live.jobs if controller.live else ()), *self.infer.builds.jobs,
                *self.infer.layer_times.jobs]  # fmt: skip
        latest = sorted(jobs, key=lambda one: one.started_at, reverse=True)
        found = controller.log_of([job] if job else latest)
        if found is None:
            words = told(
                "No log yet; {bench.run} runs the selected engines", self.infer.keymap_in_use
            )
            self.notify(words, severity="warning", markup=False)
            return
        self.app.push_screen(LogScreen(*found))
