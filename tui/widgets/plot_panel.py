"""What panels 4 and 5 share: a latency axis that the user may choose, and a title that says how."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from tui.actions import told
from tui.plotting import Plot
from tui.widgets.plot_view import PlotView


class PlotPanel(PlotView, can_focus=True):
    """A plot of a run, under a title on the border of `frame`, or on its own without one.

    `number` is the panel's, and stands before its title.
    """

    def __init__(
        self,
        title: str,
        *,
        frame: Widget | None = None,
        number: int | None = None,
        ascii_only: bool | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self._bordered = frame or self
        self._number = number
        self._names = ("", "")
        # None leaves it to the data whether the latency axis is logarithmic.
        self._log: bool | None = None
        self._log_shown = False
        self.show_names(title)

    def show_names(self, title: str, subtitle: str = "") -> None:
        """Write on the upper and the lower border; Textual repaints the whole panel for it."""
        if (title, subtitle) != self._names:
            self._names = (title, subtitle)
            numbered = title if self._number is None else f"{self._number} {title}"
            self._bordered.border_title = Content(numbered)
            self._bordered.border_subtitle = Content(subtitle)

    @property
    def axis_chosen(self) -> bool | None:
        """Whether the latency axis was chosen to be logarithmic; None leaves it to the data."""
        return self._log

    def begin_with_axis(self, log: bool | None) -> None:
        """Have the latency axis as it was chosen before; None leaves it to the data."""
        self._log = log
        self._log_shown = bool(log)

    def told(self, text: str) -> str:
        """`text` with the keys in force in place of actions."""
        return told(text, getattr(self.app, "keymap_in_use", {}))

    def change_axis(self) -> None:
        """Change the axis from linear to logarithmic or back; it then stays as it was chosen."""
        self._log = not self._log_shown
        self._log_shown = self._log
        self.redraw()

    def took(self, plot: Plot) -> Plot:
        """Note which axis `plot` has."""
        if plot.scale is not None:
            self._log_shown = plot.scale.log
        return plot
