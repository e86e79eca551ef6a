"""Ways as bands between columns of events."""

from collections.abc import Callable, Mapping
from typing import Any

from analytics.paths.answer import PathAnswer, Way
from analytics.paths.figures import name_of
from analytics.paths.question import ENDED, OPEN, OTHER

_COLOURS = {ENDED: "var(--line-strong)", OPEN: "var(--series-2)", OTHER: "var(--line-strong)"}


def bands(
    answer: PathAnswer, labels: Mapping[str, str], link: Callable[[Way], str]
) -> dict[str, Any]:
    """A figure for plot.js; `link(way)` is where a band leads."""
    anchor = str(answer.question.event)
    nodes: dict[tuple[int, str], int] = {(0, anchor): 0}
    for way in answer.ways:
        nodes.setdefault((way.number, way.source), len(nodes))
        nodes.setdefault((way.number + 1, way.target), len(nodes))
    backwards = answer.question.direction == "before"
    ends = [
        (nodes[way.number, way.source], nodes[way.number + 1, way.target]) for way in answer.ways
    ]
    names = [
        name_of(answer.question.event.event if place == 0 else code, labels)
        for place, code in nodes
    ]
    return {
        "data": [
            {
                "type": "sankey",
                "arrangement": "snap",
                "node": {
                    "label": names,
                    "pad": 14,
                    "thickness": 14,
                    "color": [_COLOURS.get(code, "var(--series-1)") for _place, code in nodes],
                    "hovertemplate": "%{label}<br>%{value}<extra></extra>",
                },
                "link": {
                    # Time runs from left to right, also where we look back.
                    "source": [pair[1] if backwards else pair[0] for pair in ends],
                    "target": [pair[0] if backwards else pair[1] for pair in ends],
                    "value": [way.people for way in answer.ways],
                    "customdata": [link(way) for way in answer.ways],
                    "color": "var(--line)",
                    "hovertemplate": "%{source.label} → %{target.label}<br>%{value}<extra></extra>",
                },
            }
        ],
        "layout": {"height": 380, "margin": {"l": 8, "r": 8, "t": 12, "b": 12}},
    }
