"""Where the seven panels are: all side by side, or one at a time under tabs."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.css.query import NoMatches
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Static

from tui.actions import told
from tui.widgets.bars import PANEL_NAMES, KeyBar, PanelTabs, TitleBar
from tui.widgets.conversion import ConversionPanel
from tui.widgets.engines import EnginesPanel
from tui.widgets.model import ModelPanel
from tui.widgets.panel import as_panel
from tui.widgets.results import ResultsPanel
from tui.widgets.telemetry import TelemetryPanel

# Everything fits from here on; below, panels are tabs.
WIDE, TALL = 110, 36
# Below this there is no telling one panel from another.
LEAST_WIDTH, LEAST_HEIGHT = 60, 15
# Panels lose their borders where every line counts.
CRAMPED_HEIGHT = 20

HORIZONTAL = [(0, "-slim"), (LEAST_WIDTH, "-narrow"), (WIDE, "-wide"), (160, "-spread")]
VERTICAL = [(0, "-flat"), (LEAST_HEIGHT, "-low"), (TALL, "-tall"), (48, "-towering")]


def breakpoint_classes(size: Size) -> str:
    """The classes that Textual will set for a screen of `size`.

    A screen that has them from the start is laid out and sent once less: that is 20 kB.
    """
    pairs = ((size.width, HORIZONTAL), (size.height, VERTICAL))
    names = [[name for least, name in points if cells >= least][-1] for cells, points in pairs]
    return " ".join(names)


class PlotSlot(Vertical):
    """A panel whose plot comes after the first frame: NumPy and plotext take their time."""


class PanelLayout(Vertical):
    """The panels, their tabs and the two lines around them."""

    def __init__(self, model: ModelPanel, engines: EnginesPanel, telemetry: TelemetryPanel) -> None:
        super().__init__(id="frame")
        self.title_bar = TitleBar()
        self.tabs = PanelTabs()
        self.too_small = Static(id="too-small", markup=False)
        self.conversion = ConversionPanel()
        self.results = ResultsPanel()
        self.latency_slot = PlotSlot(id="latency-panel")
        self.histogram_slot = PlotSlot(id="histogram-panel")
        self.panels: tuple[Widget, ...] = (
            model, engines, self.conversion, self.latency_slot, self.histogram_slot,
            self.results, telemetry,
        )  # fmt: skip
        for number, (panel, name) in enumerate(zip(self.panels, PANEL_NAMES, strict=True), 1):
            as_panel(panel, number, name)
        self.current = 2
        self.zoomed = False
        self.tabbed = False
        # Whether no panel is shown: then no key may change what can't be seen.
        self.too_small_now = False

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.tabs
        yield self.too_small
        with Vertical(id="body"):
            with Horizontal(id="upper"):
                yield Vertical(*self.panels[0:3], id="left")
                yield Vertical(*self.panels[3:5], id="right")
            yield self.panels[5]
            yield self.panels[6]
        yield KeyBar()

    def zoom_to(self, number: int) -> None:
        """Begin with this panel on the whole screen; with none where it is 0."""
        if number:
            self.current, self.zoomed = number, True

    def fit(self, width: int, height: int) -> None:
        """Show what fits in `width` x `height` cells."""
        self.tabbed = self.zoomed or width < WIDE or height < TALL
        self._say_too_small(width, height)
        self.screen.set_class(self.tabbed, "-tabbed")
        self.screen.set_class(height < CRAMPED_HEIGHT, "-cramped")
        self._display()
        if self.screen.focused is None:
            # Too small a screen hides every panel, and what is hidden loses the focus.
            self.call_after_refresh(self.focus_panel, self.current)

    def _say_too_small(self, width: int, height: int) -> None:
        """Say how large a terminal is needed, in as many words as it has room for."""
        if self.too_small_now != (too_small := width < LEAST_WIDTH or height < LEAST_HEIGHT):
            self.too_small_now = too_small
            self.screen.refresh_bindings()
        here, least = f"{width}x{height}", f"{LEAST_WIDTH}x{LEAST_HEIGHT}"
        way_out = told("{app.quit} leaves", getattr(self.app, "keymap_in_use", {}))
        full = (
            f"This terminal has {here} cells,",
            f"infer-tui needs {least}: make it larger.",
            "A run goes on all the same.",
            "",
            way_out,
        )
        fits = len(full) <= height - 2 and max(map(len, full)) <= width
        self.too_small.update("\n".join(full) if fits else f"{here}, needs {least}\n{way_out}")

    def make_current(self, number: int) -> None:
        """The panel that has the focus, and under tabs the one that is shown."""
        if number != self.current:
            self.current = number
            self._display()

    def panel_number(self, widget: Widget | None) -> int | None:
        """The number of the panel that `widget` is, or is in."""
        while widget is not None:
            if widget in self.panels:
                return self.panels.index(widget) + 1
            parent = widget.parent
            widget = parent if isinstance(parent, Widget) else None
        return None

    def focus_panel(self, number: int) -> None:
        """Bring a panel to the front and give it the keys."""
        self.make_current(number)
        panel = self.panels[number - 1]
        target = panel if panel.can_focus else next(iter(panel.children), None)
        if target is not None:
            self.screen.set_focus(target)

    def is_shown(self, number: int) -> bool:
        return not self.tabbed or number == self.current

    def _display(self) -> None:
        for number, panel in enumerate(self.panels, 1):
            _show(panel, self.is_shown(number))
        try:
            for name in ("#left", "#right", "#upper"):
                group = self.query_one(name)
                inside = [one for one in self.panels if group in one.ancestors]
                _show(group, any(one.display for one in inside))
        except NoMatches:
            # Not composed yet: the first resize arranges again.
            return
        self.tabs.show(self.current)


def _show(widget: Widget, shown: bool) -> None:
    """Show or hide `widget`; one that is right already costs no new layout."""
    if widget.display != shown:
        widget.display = shown
