"""What to do with each kind of customer, in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from crm.agents.actions import audit
from crm.agents.console import ConsoleAdmin
from crm.personas.models import PersonaPlan


@admin.register(PersonaPlan)
class PersonaPlanAdmin(ConsoleAdmin):
    """画像类型的做法."""

    list_display = ("persona", "approach", "topic")

    def save_model(self, request: HttpRequest, obj: PersonaPlan, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        audit(request.user, "persona.plan", obj, now=timezone.now(), fields=form.changed_data)
