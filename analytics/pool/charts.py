"""In above the line, out below it."""

from typing import Any

from django.utils.translation import gettext as _

from analytics.pool.balance import Balance
from analytics.pool.figures import labels
from analytics.pool.tables import Addresses, link, value_of
from crm.shared.bars import Series, daily_bars


def balance_chart(answer: Balance, addresses: Addresses) -> dict[str, Any]:
    """A figure for plot.js; every bar opens its people."""
    names, on = labels(), [day.on for day in answer.days]

    def series(code: str, *, below: bool) -> Series:
        values = [value_of(day, code) for day in answer.days]
        return Series(
            names[code], values, below=below, hrefs=[link(addresses, code)(d) for d in on]
        )

    shown = [series(code, below=False) for code in answer.question.ins]
    shown += [series(code, below=True) for code in answer.question.outs]
    return daily_bars(on, shown, unit=_("人"))
