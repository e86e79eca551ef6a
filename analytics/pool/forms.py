"""The form of the balance: it collects words from the query string, the question decides."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.pool.balance import BalanceQuestion, BalanceRefused

FIELDS = ("pool", "from", "to")
DAYS_BACK = 30


class BalanceForm(forms.Form):
    """Without parameters: the friend pool over the last thirty whole days."""

    pool = forms.ChoiceField(
        label=gettext_lazy("池"),
        choices=[("friends", gettext_lazy("好友池")), ("groups", gettext_lazy("群池"))],
    )

    def __init__(self, params: QueryDict, *, today: date) -> None:
        asked = {name: params[name].strip() for name in FIELDS if params.get(name, "").strip()}
        self._values = defaults(today) | asked
        super().__init__(self._values, auto_id="pool_%s", use_required_attribute=False)
        for name, label in (("from", gettext_lazy("从")), ("to", gettext_lazy("到"))):
            self.fields[name] = forms.DateField(
                label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            )

    def question(self) -> BalanceQuestion | None:
        """The question, or None with the errors on the form."""
        if not self.is_valid():
            return None
        try:
            return balance_from(self._values)
        except BalanceRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return None

    def query(self) -> QueryDict:
        """The question as a query string, defaults written out: a link keeps its meaning."""
        query = QueryDict(mutable=True)
        query.update({name: self._values[name] for name in FIELDS})
        return query


def defaults(today: date) -> dict[str, str]:
    """The friend pool from thirty days ago to yesterday."""
    return {
        "pool": "friends",
        "from": (today - timedelta(days=DAYS_BACK)).isoformat(),
        "to": (today - timedelta(days=1)).isoformat(),
    }


def balance_from(values: Mapping[str, Any]) -> BalanceQuestion:
    """A question out of words; raises BalanceRefused with the field and the remedy."""
    return BalanceQuestion(
        str(values.get("pool") or "friends"), _day(values, "from"), _day(values, "to")
    )


def _day(values: Mapping[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(str(values[name]))
    except (KeyError, ValueError):
        raise BalanceRefused(_("请写成 2026-11-01 这样的日期"), field=name) from None
