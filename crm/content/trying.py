"""Trying variants of a script: proposed to agents at random, one customer at a time."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.content.actions import MaterialRefused, may_edit
from crm.content.linting import findings
from crm.content.models import Material
from crm.customers.models import Customer
from crm.trials.models import Trial, TrialArm
from crm.trials.variants import TrialPlan, TrialRefused, assign, assigned, start_trial


@transaction.atomic
def try_script(*, material: Material, plan: TrialPlan, by: User, now: datetime) -> Trial:
    """Try other words against a script's own; raises MaterialRefused or TrialRefused."""
    row = Material.unsafe_all.select_for_update(of=("self",)).get(pk=material.pk)
    if row.kind != Material.Kind.SCRIPT or row.is_archived:
        raise MaterialRefused(_("只有没有归档的话术可以随机比较"))
    if not may_edit(by, row):
        raise MaterialRefused(_("只有作者和运营可以修改"))
    if row.trial is not None and row.trial.ended_at is None:
        raise TrialRefused(_("这份话术正在试验，请先结束"))
    for text in filter(str.strip, plan.variants):
        for finding in findings(text=text, link_url="", link_title=""):
            if finding.level == "bad":
                raise MaterialRefused(finding.words, field="variants")
    row.trial = start_trial(plan=plan, by=by, now=now)
    row.save(update_fields=["trial", "updated_at"])
    return row.trial


def running(material: Material) -> Trial | None:
    """The trial that proposes variants of a script now."""
    trial = material.trial
    return trial if trial is not None and trial.ended_at is None else None


def proposed(material: Material, customer: Customer | None) -> TrialArm | None:
    """What was drawn for a customer while the trial runs."""
    trial = running(material)
    return assigned(trial, customer.pk) if trial and customer else None


def propose(*, material: Material, customer: Customer, by: User, now: datetime) -> TrialArm:
    """Draw the words for a customer; asking again gives the same. Raises TrialRefused."""
    trial = running(material)
    if trial is None:
        raise TrialRefused(_("这份话术没有在试验"))
    return assign(trial=trial, customer_id=customer.pk, agent=by.agent, now=now)
