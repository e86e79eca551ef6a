"""The funnel as a picture: one bar per step, split into its three states.

Bars start at the left so that lengths compare; a Plotly `funnel` centres them. Colours are names
of our tokens, which `static/js/plot.js` resolves in the theme of the moment.
"""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from analytics.funnels.answer import StepFigures
from crm.shared.formatting import digits, rate

Link = Callable[[int, str], str]
_STATES = (
    ("converted", "var(--series-1)", ""),
    ("open", "var(--seq-1)", "."),
    ("dropped", "var(--series-2)", "/"),
)


def state_labels() -> dict[str, str]:
    """The three states in words."""
    return {"converted": _("已到下一步"), "open": _("还在窗口内"), "dropped": _("流失")}


def funnel_chart(steps: tuple[StepFigures, ...], link: Link) -> dict[str, Any]:
    """A figure for plot.js; `link(step, state)` is where a bar leads."""
    names = [f"{step.number}. {step.label}" for step in steps]
    labels = state_labels()
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": labels[state],
            "y": names,
            "x": [getattr(step, state) for step in steps],
            "customdata": [link(step.number, state) for step in steps],
            "hovertemplate": f"%{{y}}<br>{labels[state]} %{{x:,}}<extra></extra>",
            "marker": {"color": colour, "pattern": {"shape": pattern}},
        }
        for state, colour, pattern in _STATES
    ]
    widest = max((step.reached for step in steps), default=0)
    notes = [
        {
            "x": step.reached,
            "y": name,
            "text": f"{digits(step.reached)}<br>{rate(step.of_first.value)}",
            "align": "left",
            "xanchor": "left",
            "showarrow": False,
            "xshift": 6,
        }
        for step, name in zip(steps, names, strict=True)
    ]
    return {
        "data": traces,
        "layout": {
            "barmode": "stack",
            "height": 84 + 46 * len(steps),
            "annotations": notes,
            "xaxis": {"rangemode": "tozero", "range": [0, widest * 1.28 or 1]},
            "yaxis": {"autorange": "reversed", "showgrid": False, "ticksuffix": " "},
            "legend": {
                "orientation": "h",
                "traceorder": "normal",
                "y": 1.02,
                "yanchor": "bottom",
                "x": 0,
            },
        },
    }
