"""The calibration of a model: what was foretold against what happened, by tenths."""

from typing import Any

from crm.shared.formatting import rate


def calibration(deciles: list[dict[str, Any]]) -> dict[str, Any]:
    """A figure for plot.js; on the line, what happened is what was foretold."""
    most = max((max(row["foretold"], row["high"]) for row in deciles), default=0.01)
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines",
                "x": [0, most],
                "y": [0, most],
                "hoverinfo": "skip",
                "line": {"color": "var(--text-3)", "dash": "dot", "width": 1},
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": [row["foretold"] for row in deciles],
                "y": [row["rate"] for row in deciles],
                "text": [
                    f"{rate(row['foretold'])} → {rate(row['rate'])} · {row['x']}/{row['n']}"
                    for row in deciles
                ],
                "hovertemplate": "%{text}<extra></extra>",
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [row["high"] - row["rate"] for row in deciles],
                    "arrayminus": [row["rate"] - row["low"] for row in deciles],
                    "color": "var(--series-1)",
                    "thickness": 1,
                },
                "marker": {"color": "var(--series-1)", "size": 8},
            },
        ],
        "layout": {
            "height": 300,
            "showlegend": False,
            "xaxis": {"rangemode": "tozero", "tickformat": ".1%"},
            "yaxis": {"rangemode": "tozero", "tickformat": ".1%"},
        },
    }
