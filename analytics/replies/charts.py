"""How fast the answers came: two curves, by the calendar and by working time."""

from typing import Any

from django.utils.translation import gettext as _

from analytics.replies.queries import MARKS, ReplyRow
from crm.shared.formatting import duration
from crm.shared.formatting import rate as rate_text


def curve(total: ReplyRow) -> dict[str, Any]:
    """A figure for plot.js: share answered within each of the marks."""
    ticks = [duration(mark) for mark in MARKS]
    lines = (
        (_("自然时间"), total.calendar, "var(--series-1)", "solid"),
        (_("工时"), total.working, "var(--series-2)", "dash"),
    )
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": ticks,
                "y": [known.within(mark) for mark in MARKS],
                "text": [rate_text(known.within(mark)) for mark in MARKS],
                "hovertemplate": f"{name} %{{x}}<br>%{{text}}<extra></extra>",
                "line": {"color": colour, "dash": dash},
                "marker": {"color": colour},
            }
            for name, known, colour, dash in lines
        ],
        "layout": {
            "height": 280,
            "showlegend": True,
            "xaxis": {"type": "category"},
            "yaxis": {"range": [0, 1], "tickformat": ".0%"},
        },
    }
