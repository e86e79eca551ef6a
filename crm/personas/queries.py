"""Personas as pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from crm.agents.models import User
from crm.customers.columns import Column
from crm.customers.models import Customer, CustomerQuerySet
from crm.customers.queries import customer_rows
from crm.personas.models import CustomerPersona, PersonaPlan
from crm.personas.scoring import CODES, FEATURES, LEAST, Feature, Persona, points, scores_of
from crm.shared.paging import Page, keyset_page

NONE = "none"


@dataclass(frozen=True)
class Reason:
    """One feature of a customer and what it gives."""

    feature: Feature
    count: int
    points: int


@dataclass(frozen=True)
class Told:
    """A customer's persona with all scores and the reasons of each."""

    persona: str
    label: str
    scores: list[tuple[str, int, bool]]
    reasons: list[Reason]
    as_of: datetime | None
    plan: PersonaPlan | None


@dataclass(frozen=True)
class Kind:
    """One line of the overview."""

    code: str
    label: str
    count: int
    features: list[Feature]
    plan: PersonaPlan | None


def persona_told(customer: Customer) -> Told:
    """Why this customer is of this kind."""
    row = CustomerPersona.unsafe_all.filter(customer=customer).first()
    counts = dict(zip(CODES, row.counts, strict=True)) if row else {}
    scores = scores_of(counts)
    persona = row.persona if row else ""
    found = [
        Reason(feature, counts[feature.code], points(feature, counts[feature.code]))
        for feature in FEATURES
        if counts.get(feature.code)
    ]
    return Told(
        persona=persona,
        label=str(Persona(persona).label) if persona else "",
        scores=[(str(one.label), n, str(one) == persona) for one, n in scores.items()],
        reasons=sorted(found, key=lambda reason: reason.feature.persona != persona),
        as_of=row.as_of if row else None,
        plan=PersonaPlan.objects.filter(persona=persona).first() if persona else None,
    )


def overview(user: User) -> tuple[list[Kind], datetime | None]:
    """How many customers in scope are of each kind and of none, and of when that is."""
    rows = CustomerPersona.objects.for_user(user).exclude(persona="")
    counts = dict(rows.values_list("persona").annotate(n=Count("pk")).order_by())
    plans = {plan.persona: plan for plan in PersonaPlan.objects.all()}
    kinds = [
        Kind(
            code=str(persona),
            label=str(persona.label),
            count=counts.get(str(persona), 0),
            features=[feature for feature in FEATURES if feature.persona is persona],
            plan=plans.get(str(persona)),
        )
        for persona in Persona
    ]
    everybody = Customer.objects.for_user(user).count()
    rest = everybody - sum(counts.values())
    words = _("尚不明确（各项都不到 %(n)s 分）") % {"n": LEAST}
    kinds.append(Kind(NONE, words, rest, [], None))
    return kinds, CustomerPersona.unsafe_all.aggregate(at=Max("as_of"))["at"]


def people(user: User, code: str) -> CustomerQuerySet:
    """Customers in scope of one kind, or of none."""
    rows = Customer.objects.for_user(user)
    named = CustomerPersona.unsafe_all.exclude(persona="")
    if code == NONE:
        return rows.exclude(pk__in=named.values("customer_id"))
    return rows.filter(pk__in=named.filter(persona=code).values("customer_id"))


def people_page(user: User, code: str, params: Mapping[str, str]) -> Page:
    """A page of them, newest friends first."""
    rows = people(user, code).select_related("channel")
    page = keyset_page(rows, order=("-friend_since",), params=params)
    return Page(customer_rows(page.rows), page.after, page.before, page.total, page.is_exact)


class PersonaColumn:
    """The persona as a column of the customer list."""

    def columns(self) -> list[Column]:
        """One."""
        return [Column("persona", pgettext_lazy("column", "画像类型"))]

    def read(self, codes: Sequence[str], ids: Sequence[int]) -> dict[str, dict[int, str]]:
        """The names of the kinds of these customers."""
        rows = CustomerPersona.unsafe_all.filter(customer__in=ids).exclude(persona="")
        named = {pk: str(Persona(code).label) for pk, code in rows.values_list("pk", "persona")}
        return dict.fromkeys(codes, named)
