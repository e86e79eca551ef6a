"""Pictures of a group; plain figures, drawn in the browser with the page's own colours."""

from typing import Any

from django.utils.translation import gettext as _

from crm.groups.queries import Day


def joins_and_leaves_chart(days: list[Day]) -> dict[str, Any]:
    """Joins above the line, leaves below it, one bar a day."""
    on = [day.on.isoformat() for day in days]
    return {
        "data": [
            {
                "type": "bar",
                "name": _("入群"),
                "x": on,
                "y": [day.joins for day in days],
                "hovertemplate": "%{x}: %{y}",
            },
            {
                "type": "bar",
                "name": _("退群"),
                "x": on,
                "y": [-day.leaves for day in days],
                "customdata": [day.leaves for day in days],
                "hovertemplate": "%{x}: %{customdata}",
                "marker": {"pattern": {"shape": "/"}},
            },
        ],
        "layout": {
            "barmode": "relative",
            "xaxis": {"type": "date"},
            "yaxis": {"title": {"text": _("人")}, "rangemode": "tozero"},
        },
    }


def finding(days: list[Day]) -> str:
    """The sentence above the picture."""
    joins, leaves = sum(day.joins for day in days), sum(day.leaves for day in days)
    words = {"days": len(days), "joins": joins, "leaves": leaves, "net": abs(joins - leaves)}
    if joins > leaves:
        return _("%(days)s 天里入群 %(joins)s 人、退群 %(leaves)s 人，净增 %(net)s 人") % words
    if joins < leaves:
        return _("%(days)s 天里入群 %(joins)s 人、退群 %(leaves)s 人，净减 %(net)s 人") % words
    if joins:
        return _("%(days)s 天里入群 %(joins)s 人、退群 %(leaves)s 人，人数没有变化") % words
    return _("%(days)s 天里没有人入群或退群") % words
