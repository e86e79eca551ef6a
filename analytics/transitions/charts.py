"""Where the customers of each stage went: one bar a stage, split by the stage they are in now."""

from collections.abc import Callable
from typing import Any

from analytics.transitions.answer import TransitionAnswer


def bars(
    answer: TransitionAnswer, names: list[str], link: Callable[[int, int], str]
) -> dict[str, Any]:
    """A figure for plot.js; `link(before, after)` is where a piece leads."""
    places = range(len(names))
    shown = [i for i in places if answer.counts[i].sum()]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": names[j],
                "y": [names[i] for i in shown],
                "x": [answer.share(i, j).value for i in shown],
                "customdata": [link(i, j) for i in shown],
                "text": [str(int(answer.counts[i, j]) or "") for i in shown],
                "textposition": "inside",
                "hovertemplate": f"%{{y}} → {names[j]}<br>%{{text}} · %{{x:.1%}}<extra></extra>",
                "marker": {"color": f"var(--series-{j + 1})"},
            }
            for j in places
            if answer.counts[:, j].sum()
        ],
        "layout": {
            "barmode": "stack",
            "height": 90 + 44 * len(shown),
            "xaxis": {"tickformat": ".0%", "range": [0, 1]},
            "yaxis": {"autorange": "reversed"},
        },
    }
