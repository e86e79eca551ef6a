"""The retention curve: all cohorts together, with the interval of each point."""

from collections.abc import Callable
from typing import Any

from analytics.charts.rates import Rate
from crm.shared.formatting import rate as rate_text


def curve(heads: list[str], totals: tuple[Rate, ...], link: Callable[[int], str]) -> dict[str, Any]:
    """A figure for plot.js; `link(period)` is where a point leads."""
    shown = [(j, rate) for j, rate in enumerate(totals) if rate.n]
    shares = [rate.value for _j, rate in shown]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": [heads[j] for j, _rate in shown],
                "y": shares,
                "customdata": [link(j) for j, _rate in shown],
                "text": [f"{rate_text(rate.value)} · {rate.x}/{rate.n}" for _j, rate in shown],
                "hovertemplate": "%{x}<br>%{text}<extra></extra>",
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [rate.high - rate.value for _j, rate in shown],
                    "arrayminus": [rate.value - rate.low for _j, rate in shown],
                    "color": "var(--series-1)",
                    "thickness": 1,
                },
                "line": {"color": "var(--series-1)"},
                "marker": {"color": "var(--series-1)"},
            }
        ],
        "layout": {
            "height": 280,
            "showlegend": False,
            "yaxis": {"rangemode": "tozero", "tickformat": ".0%"},
        },
    }
