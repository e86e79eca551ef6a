"""What customers decided about the archive; the latest decision counts, whoever told of it."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from crm import wecom
from crm.archive.models import ArchiveConsent
from crm.customers.actions import agent_ids, ensure_customers, one_writer
from crm.customers.models import Contact
from crm.wecom.records import ExternalSeen

Told = ArchiveConsent.Told
ASKED_AT_ONCE = 1000

_NOTE = """
insert into crm_archiveconsent (customer_id, agent_id, group_id, agreed, decided_at, told_by)
values (%s, %s, %s, %s, %s, %s)
on conflict {target} do update
set agreed = excluded.agreed, decided_at = excluded.decided_at, told_by = excluded.told_by
where crm_archiveconsent.decided_at < excluded.decided_at
"""
_ABOUT_AGENT = "(customer_id, agent_id) where group_id is null"
_ABOUT_GROUP = "(customer_id, group_id) where agent_id is null"


def note_consent(
    *,
    customer_id: int,
    agreed: bool,
    decided_at: datetime,
    told_by: str,
    agent_id: int | None = None,
    group_id: int | None = None,
) -> bool:
    """Write a decision down unless a later one is known; whether it changed anything."""
    target = _ABOUT_AGENT if group_id is None else _ABOUT_GROUP
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE.format(target=target),
            [customer_id, agent_id, group_id, agreed, decided_at, told_by],
        )
        return cursor.rowcount == 1


def note_approval(*, external_userid: str, userid: str, at: datetime, now: datetime) -> None:
    """The event ``msg_audit_approved``: the customer agreed for this agent."""
    one_writer()
    person = ExternalSeen(external_userid, "")
    customer_id = ensure_customers([person], asked_at=at, now=now).get(external_userid)
    if customer_id is None:
        return
    note_consent(
        customer_id=customer_id,
        agent_id=agent_ids({userid}, now=now)[userid],
        agreed=True,
        decided_at=at,
        told_by=Told.EVENT,
    )


def ask_consents(*, now: datetime) -> int:
    """Ask WeCom about all current relations; returns how many decisions were news.

    Repairs what a lost event or a message past its five days would have told.
    """
    pairs = {
        (userid, external): (customer, agent)
        for userid, external, customer, agent in Contact.unsafe_all.current()
        .filter(customer__external_userid__isnull=False)
        .order_by("pk")
        .values_list("agent__userid", "customer__external_userid", "customer_id", "agent_id")
    }
    seats = set(wecom.archive_client().archived_members())
    asked = [pair for pair in pairs if pair[0] in seats]
    return sum(
        _ask(asked[start : start + ASKED_AT_ONCE], pairs)
        for start in range(0, len(asked), ASKED_AT_ONCE)
    )


def _ask(asked: list[tuple[str, str]], pairs: dict) -> int:
    answers = wecom.archive_client().consents(asked)
    return _keep((one, pairs[one.userid, one.external_userid]) for one in answers)


@transaction.atomic
def _keep(answers: Iterable) -> int:
    return sum(
        note_consent(
            customer_id=customer,
            agent_id=agent,
            agreed=seen.is_agreed,
            decided_at=seen.at,
            told_by=Told.QUERY,
        )
        for seen, (customer, agent) in answers
        # Who was never asked has decided nothing.
        if seen.at is not None
    )
