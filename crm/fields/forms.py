"""A customer's own fields as a form; it collects, the action decides."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.fields.models import Field, FieldValue

Kind = Field.Kind


class ValuesForm(forms.Form):
    """One input for each active field."""

    def __init__(self, *args: Any, fields: list[Field], values: list[FieldValue], **kwargs: Any):
        self.known = {field.key: field for field in fields}
        said = {row.field.key: row.value for row in values}
        kwargs["initial"] = {key: _initial(self.known[key], said[key]) for key in said}
        super().__init__(*args, **kwargs)
        for key, field in self.known.items():
            self.fields[key] = _input(field)

    def said(self) -> dict[str, Any]:
        """What was written, field by field."""
        return {key: self.cleaned_data.get(key) for key in self.known}


def _initial(field: Field, value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if field.kind == Kind.YES_NO else value


def _input(field: Field) -> forms.Field:
    common = {"label": field.label, "required": False, "help_text": field.help}
    options = [(option, option) for option in field.options]
    if field.kind == Kind.CHOICES:
        widget = forms.CheckboxSelectMultiple
        return forms.MultipleChoiceField(choices=options, widget=widget, **common)
    if field.kind == Kind.CHOICE:
        return forms.ChoiceField(choices=[("", "—"), *options], **common)
    if field.kind == Kind.YES_NO:
        return forms.ChoiceField(choices=[("", "—"), ("yes", _("是")), ("no", _("否"))], **common)
    widgets = {
        Kind.NUMBER: forms.TextInput(attrs={"inputmode": "decimal"}),
        Kind.DATE: forms.TextInput(attrs={"type": "date"}),
    }
    return forms.CharField(widget=widgets.get(field.kind), **common)
