"""Making an address, and what a page tells of its reading."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.articles.models import ArticleLink


class ArticleLinkForm(forms.Form):
    """Where the address will stand; the action decides."""

    place = forms.ChoiceField(label=_("用在哪里"), choices=ArticleLink.Place.choices)
    note = forms.CharField(
        label=_("备注"), max_length=64, required=False, help_text=_("例如哪一次群发；客户看不到")
    )


class ReadingForm(forms.Form):
    """What the script of a page says: which opening, visible for how long, read how far."""

    view = forms.UUIDField()
    ms = forms.IntegerField(min_value=0, max_value=86_400_000)
    depth = forms.IntegerField(min_value=0, max_value=100)


def reading_from(body: bytes) -> dict[str, Any] | None:
    """What was told; None for anything that no page of ours says."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    form = ReadingForm(said) if isinstance(said, dict) else None
    return form.cleaned_data if form is not None and form.is_valid() else None


def view_from(text: str) -> UUID | None:
    """The number of an opening as an address names it."""
    try:
        return UUID(text)
    except ValueError:
        return None
