"""What came of a published post, per agent: who can see it and who reacted, as rows and facts."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from crm.customers.models import Customer
from crm.moments.models import Moment, MomentAudience, MomentReaction, MomentTask
from crm.timeline.actions import NewFact, append_facts
from crm.wecom import Client
from crm.wecom.moment_records import MomentReactions, Reaction

SOURCE = "wecom"
AGAIN = timedelta(seconds=5)
_FACT_OF = {
    MomentReaction.Kind.LIKE: "moment_liked",
    MomentReaction.Kind.COMMENT: "moment_commented",
}


def collect(moment: Moment, client: Client, *, now: datetime, limit: int) -> bool:
    """Ask about published agents, those not asked for longest first; True when some are left."""
    published = MomentTask.unsafe_all.filter(moment=moment, is_published=True)
    waiting = published.filter(Q(collected_at=None) | Q(collected_at__lt=now - AGAIN))
    tasks = list(
        waiting.select_related("agent").order_by(F("collected_at").asc(nulls_first=True))[
            : limit + 1
        ]
    )
    for task in tasks[:limit]:
        visible = client.moment_visible_to(moment.wecom_moment_id, task.agent.userid)
        reactions = client.moment_comments(moment.wecom_moment_id, task.agent.userid)
        _store(moment, task, visible, reactions, now=now)
    return len(tasks) > limit


@transaction.atomic
def _store(
    moment: Moment,
    task: MomentTask,
    visible: list[str],
    reactions: MomentReactions,
    *,
    now: datetime,
) -> None:
    reacted = [
        (kind, reaction)
        for kind, found in (
            (MomentReaction.Kind.LIKE, reactions.likes),
            (MomentReaction.Kind.COMMENT, reactions.comments),
        )
        for reaction in found
        if reaction.external_userid  # Colleagues react too; they are no customers.
    ]
    people = _customers([*visible, *(reaction.external_userid for _kind, reaction in reacted)])
    facts = [
        *_visible(moment, task, [person for person in visible if person in people], people),
        *_reactions(moment, task, reacted, people),
    ]
    append_facts(facts, now=now)
    MomentTask.unsafe_all.filter(pk=task.pk).update(collected_at=now)


def _customers(external: Iterable[str]) -> dict[str, int]:
    """Known customers; whom the sync has not brought yet is found in a later round."""
    found = Customer.unsafe_all.filter(external_userid__in=set(external))
    return dict(found.values_list("external_userid", "pk"))


def _visible(
    moment: Moment, task: MomentTask, visible: list[str], people: dict[str, int]
) -> Iterable[NewFact]:
    at = task.published_at
    MomentAudience.unsafe_all.bulk_create(
        [MomentAudience(task=task, customer_id=people[who], seen_at=at) for who in visible],
        ignore_conflicts=True,
        batch_size=2_000,
    )
    for who in visible:
        yield NewFact(
            customer_id=people[who],
            kind="moment_visible",
            at=at,
            source=SOURCE,
            source_key=f"moment_visible:{moment.wecom_moment_id}:{task.agent.userid}:{who}",
            agent_id=task.agent_id,
            properties={"moment": moment.pk, "title": moment.title},
        )


def _reactions(
    moment: Moment,
    task: MomentTask,
    reacted: list[tuple[str, Reaction]],
    people: dict[str, int],
) -> Iterable[NewFact]:
    known = [(kind, reaction) for kind, reaction in reacted if reaction.external_userid in people]
    MomentReaction.unsafe_all.bulk_create(
        [
            MomentReaction(
                task=task, customer_id=people[reaction.external_userid], kind=kind, at=reaction.at
            )
            for kind, reaction in known
        ],
        ignore_conflicts=True,
    )
    for kind, reaction in known:
        place = f"{moment.wecom_moment_id}:{task.agent.userid}:{reaction.external_userid}"
        yield NewFact(
            customer_id=people[reaction.external_userid],
            kind=_FACT_OF[kind],
            at=reaction.at,
            source=SOURCE,
            source_key=f"{_FACT_OF[kind]}:{place}:{int(reaction.at.timestamp())}",
            agent_id=task.agent_id,
            properties={"moment": moment.pk, "title": moment.title},
        )
