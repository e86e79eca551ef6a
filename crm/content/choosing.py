"""Which material of the library somebody writes with."""

from typing import Protocol

from django.http import HttpRequest

from crm.content.cards import FactsLacking
from crm.content.models import Material
from crm.shared.errors import DomainError
from crm.shared.http import row_number


class Written(Protocol):
    """A send or a moment: what is written keeps the material that it came from."""

    material: Material | None
    material_id: int | None


def chosen_material(request: HttpRequest, row: Written | None = None) -> Material | None:
    """The material that ``material`` names: the row's own, or one that the user may see.

    An open form shows the row's own; what was sent decides, so unticking it lets the row go free.
    """
    if request.method != "POST" and row is not None:
        return row.material
    given = request.POST if request.method == "POST" else request.GET
    pk = row_number(given.get("material"))
    if row is not None and pk and row.material_id == pk:
        return row.material
    return Material.objects.for_user(request.user).filter(pk=pk).first()


def material_to_fill(refusal: DomainError) -> int | None:
    """The product card whose facts were lacking, so that the page can lead there."""
    return refusal.material_id if isinstance(refusal, FactsLacking) else None
