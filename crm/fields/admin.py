"""Fields in the admin. A kind changes only where every value fits."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin
from crm.fields import actions
from crm.fields.models import Field


class FieldForm(forms.ModelForm):
    """Refuses choices without options, and changes that values contradict."""

    class Meta:
        model = Field
        fields = ("key", "label", "kind", "options", "help", "position", "is_active")

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        kind, options = data.get("kind"), data.get("options") or []
        if kind in (Field.Kind.CHOICE, Field.Kind.CHOICES) and not options:
            raise ValidationError({"options": _("请填写选项")})
        if len(set(options)) < len(options):
            raise ValidationError({"options": _("选项有重复")})
        if self.instance.pk and kind:
            # The field stays held until the request's transaction ends: what fits now, fits then.
            found = actions.misfits(self.instance, kind, options)
            if found.count:
                raise ValidationError({"kind": str(found.refusal())})
        return data


@admin.register(Field)
class FieldAdmin(ConsoleAdmin):
    """自定义字段."""

    form = FieldForm
    list_display = ("label", "key", "kind", "position", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("label", "key")
    fields = ("key", "label", "kind", "options", "help", "position", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Field | None = None):
        return ("key",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Field, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and {"kind", "options"} & set(form.changed_data):
            actions.convert(obj, by=request.user, now=timezone.now())
        else:
            audit(request.user, "field.save", obj, fields=sorted(form.changed_data))
