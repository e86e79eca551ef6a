"""Bars by day: at most a handful of series, upwards, or one up and one down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

_PATTERNS = ("", "/", ".", "x", "-", "+")


@dataclass(frozen=True)
class Series:
    """One colour of the picture. ``below`` draws it under the line; its numbers stay positive."""

    name: str
    values: Sequence[int]
    below: bool = False


def daily_bars(days: Sequence[date], series: Sequence[Series], *, unit: str) -> dict[str, Any]:
    """A figure for ``static/js/plot.js``: zero based, told apart by pattern as well as colour."""
    on = [day.isoformat() for day in days]
    traces = [
        {
            "type": "bar",
            "name": one.name,
            "x": on,
            "y": [-value for value in one.values] if one.below else list(one.values),
            "customdata": list(one.values),
            "hovertemplate": "%{x}: %{customdata}",
            "marker": {"pattern": {"shape": _PATTERNS[place % len(_PATTERNS)]}},
        }
        for place, one in enumerate(series)
    ]
    mode = "relative" if any(one.below for one in series) else "group"
    layout = {
        "barmode": mode,
        "xaxis": {"type": "date"},
        "yaxis": {"title": {"text": unit}, "rangemode": "tozero"},
    }
    return {"data": traces, "layout": layout}
