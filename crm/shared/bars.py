"""Bars by day: a few series upwards, or some up and some down, as a figure for ``plot.js``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

# Told apart by pattern as well as by colour.
_PATTERNS = ("", "/", ".", "x", "-", "+")
_TICKS = 4


@dataclass(frozen=True)
class Series:
    """One colour of the picture. ``below`` draws it under the line; its numbers stay positive.

    ``hrefs`` are the addresses of the people behind each bar.
    """

    name: str
    values: Sequence[int]
    below: bool = False
    hrefs: Sequence[str] = field(default=())


def daily_bars(days: Sequence[date], series: Sequence[Series], *, unit: str) -> dict[str, Any]:
    """A zero-based bar chart; a bar that has an address opens its people."""
    on = [day.isoformat() for day in days]
    two_sided = any(one.below for one in series)
    layout = {
        "barmode": "relative" if two_sided else "group",
        "xaxis": {"type": "date", "tickformat": "%m-%d"},
        "yaxis": {"title": {"text": unit}, "rangemode": "tozero"},
    }
    if two_sided:
        layout["yaxis"] |= _unsigned_ticks(
            max((max(one.values, default=0) for one in series), default=0)
        )
    return {"data": [_trace(on, one, place) for place, one in enumerate(series)], "layout": layout}


def _trace(on: list[str], one: Series, place: int) -> dict[str, Any]:
    hrefs = one.hrefs or [""] * len(one.values)
    return {
        "type": "bar",
        "name": one.name,
        "x": on,
        "y": [-value for value in one.values] if one.below else list(one.values),
        "customdata": [list(pair) for pair in zip(one.values, hrefs, strict=True)],
        "hovertemplate": "%{x|%m-%d}: %{customdata[0]}",
        "marker": {"pattern": {"shape": _PATTERNS[place % len(_PATTERNS)]}},
    }


def _unsigned_ticks(highest: int) -> dict[str, Any]:
    """Ticks on both sides of zero without a minus: fewer people are not negative people."""
    step = max(1, -(-highest // _TICKS))
    values = [n * step for n in range(-_TICKS, _TICKS + 1)]
    return {"tickvals": values, "ticktext": [str(abs(value)) for value in values]}
