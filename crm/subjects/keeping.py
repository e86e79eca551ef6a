"""The end of the time for which a table declares to keep rows."""

from datetime import datetime, timedelta

from crm.subjects.holdings import HOLDINGS

AT_ONCE = 5000


def forget_old(*, now: datetime) -> dict[str, int]:
    """Delete what is older than its table declares; how many rows of which table."""
    removed: dict[str, int] = {}
    for holding in HOLDINGS:
        if holding.days is None:
            continue
        before = now - timedelta(days=holding.days)
        old = holding.rows().filter(**{f"{holding.since}__lt": before})
        while ids := list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
            holding.rows().filter(pk__in=ids).delete()
            removed[holding.model] = removed.get(holding.model, 0) + len(ids)
    return removed
