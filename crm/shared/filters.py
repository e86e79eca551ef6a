"""Filter bars: a GET form whose every condition shows as a chip that is edited in place."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from crm.shared.formatting import day

# What belongs to a place in the list, not to the question: dropped when a condition changes.
TRANSIENT = ("after", "before", "panel", "since")
_NAMED_AT_MOST = 2


class ManyChoices(forms.CheckboxSelectMultiple):
    """Checkboxes drawn by one template: hundreds of choices cost one rendering, not hundreds."""

    template_name = "components/choices.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Groups of drawn choices; the framework's own would make a dozen objects for each."""
        attrs = self.build_attrs(self.attrs, attrs)
        chosen, number = set(self.format_value(value)), count()
        groups = [
            (group, format_html_join("", _CHOICE, self._drawn(name, some, chosen, attrs, number)))
            for group, some in _grouped(self.choices)
        ]
        return {"widget": {"attrs": attrs, "groups": groups}}

    def _drawn(
        self, name: str, choices: Any, chosen: set[str], attrs: dict[str, Any], number: Iterator
    ) -> Iterator[tuple[str, Any, Any, str, Any]]:
        base = attrs.get("id")
        for value, label in choices:
            place = next(number)
            own = self.id_for_label(base, place) if base else ""
            checked = " checked" if str(value) in chosen else ""
            yield name, value, format_html(' id="{}"', own) if own else "", checked, label


_CHOICE = '<label><input type="checkbox" name="{}" value="{}"{}{}> {}</label>'


def _grouped(choices: Any) -> Iterator[tuple[Any, list[tuple[Any, Any]]]]:
    """Choices by their heading; those without one stand alone."""
    loose: list[tuple[Any, Any]] = []
    for value, label in choices:
        if not isinstance(label, list | tuple):
            loose.append((value, label))
            continue
        if loose:
            yield None, loose
            loose = []
        yield value, list(label)
    if loose:
        yield None, loose


@dataclass(frozen=True)
class Fields:
    """The fields that one chip edits together."""

    bound: tuple[forms.BoundField, ...]

    def as_field_group(self) -> SafeString:
        # In a filter everything is optional; saying so at every field would be noise.
        groups = (f.render(context=f.get_context() | {"hide_optional": True}) for f in self.bound)
        return format_html_join("", "{}", ((group,) for group in groups))


@dataclass(frozen=True)
class Chip:
    """One condition, as ``components/filter_bar.html`` shows it."""

    label: str
    value: str
    clear_href: str
    field: Fields
    hidden: list[tuple[str, str]]


class FilterForm(forms.Form):
    """A form over the query string. A value that does not fit is left out, the others count.

    ``groups`` names the chips: label and the fields edited together.
    """

    groups: tuple[tuple[str | Promise, tuple[str, ...]], ...] = ()

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, auto_id="filter_%s", use_required_attribute=False)

    def value(self, name: str):
        """The cleaned value, or nothing where the query string held rubbish."""
        self.is_valid()
        return self.cleaned_data.get(name)

    def chips(self) -> list[Chip]:
        """All chips in declared order; a chip whose fields are absent for this user is left out."""
        found = []
        for label, names in self.groups:
            present = tuple(name for name in names if name in self.fields)
            if present:
                found.append(self._chip(str(label), present))
        return found

    @property
    def is_narrowed(self) -> bool:
        """Whether any condition is set."""
        return any(self.value(name) for name in self.fields)

    def _chip(self, label: str, names: tuple[str, ...]) -> Chip:
        rest = kept(self.data, without=names)
        return Chip(
            label=label,
            value=self._words(names),
            clear_href="?" + _encoded(rest),
            field=Fields(tuple(self[name] for name in names)),
            hidden=rest,
        )

    def _words(self, names: tuple[str, ...]) -> str:
        values = [self.value(name) for name in names]
        dates = [value for value in values if isinstance(value, date)]
        words = [
            self._value_words(name, value)
            for name, value in zip(names, values, strict=True)
            if value and not isinstance(value, date)
        ]
        if dates:
            words.append(_span(*self._ends(names)))
        return " · ".join(words)

    def _ends(self, names: tuple[str, ...]) -> tuple[date | None, date | None]:
        start = next((self.value(n) for n in names if n.endswith("from")), None)
        end = next((self.value(n) for n in names if n.endswith("to")), None)
        return start, end

    def _value_words(self, name: str, value) -> str:
        labels = dict(_flat(getattr(self.fields[name], "choices", ())))
        chosen = value if isinstance(value, list | tuple) else [value]
        named = [str(labels.get(v, labels.get(str(v), v))).strip() for v in chosen]
        if len(named) <= _NAMED_AT_MOST:
            return _("、").join(named)
        return _("%(first)s 等 %(n)s 项") % {"first": named[0], "n": len(named)}


def kept(params: QueryDict, *, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Pairs of the query string that survive a change of the named fields."""
    dropped = (*without, *TRANSIENT)
    return [
        (name, value)
        for name, values in params.lists()
        if name not in dropped
        for value in values
        if value
    ]


def _encoded(pairs: list[tuple[str, str]]) -> str:
    query = QueryDict(mutable=True)
    for name, value in pairs:
        query.appendlist(name, value)
    return query.urlencode()


def _flat(choices) -> Iterator[tuple[str, str]]:
    for value, label in choices:
        if isinstance(label, list | tuple):
            yield from label
        else:
            yield value, label


def _span(start: date | None, end: date | None) -> str:
    if start and end:
        return day(start) if start == end else f"{day(start)} – {day(end)}"
    return _("%(day)s 起") % {"day": day(start)} if start else _("%(day)s 止") % {"day": day(end)}


def search_box(params: QueryDict, placeholder: str) -> dict[str, object]:
    """The field ``q`` of ``components/filter_bar.html``; the other conditions go along hidden."""
    return {
        "name": "q",
        "value": params.get("q", ""),
        "placeholder": placeholder,
        "hidden": kept(params, without=("q",)),
    }
