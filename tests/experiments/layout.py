"""What all figures promise of their layout."""

from __future__ import annotations

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def lay_out(figure: Figure) -> Figure:
    """The figure with everything in its place."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def assert_nothing_overlaps_or_is_cut_off(figure: Figure) -> None:
    """Panels, legends and title are all seen, none upon another."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()
    panels = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.get_visible()]
    others = [legend.get_window_extent(renderer) for legend in figure.legends]
    assert figure._suptitle is not None
    others.append(figure._suptitle.get_window_extent(renderer))
    for box in (*panels, *others):
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for one, two in itertools.combinations([*panels, *others], 2):
        assert not one.shrunk(0.98, 0.98).overlaps(two.shrunk(0.98, 0.98))
