"""What pages say of a segment's size: the number that opens, some people, the count by agent."""

import json
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.numbers import meaning, opening
from analytics.segments.index import dims
from analytics.segments.index.bitmaps import ids_of
from analytics.segments.index.reading import read_values
from analytics.segments.models import Segment
from analytics.segments.parsing import rule_from
from analytics.segments.queries import Answer, answer, refuse_misfits, setting_for
from analytics.segments.rule import Group
from analytics.segments.telling import NAME
from analytics.segments.words import in_one_line, words_for
from crm.agents.models import Agent, User
from crm.customers.models import Contact, Customer
from crm.customers.queries import customer_rows

SAMPLE = 8
AGENTS_SHOWN = 50


def preview(body: Any, user: User) -> dict[str, Any]:
    """Count and a sample for a rule that is being built; raises RuleRefused."""
    tree = rule_from(body)
    refuse_misfits(tree, setting_for(tree))
    query = {"rule": json.dumps(tree.as_json(), ensure_ascii=False)}
    return _size(tree, answer(tree, user=user), user, query)


def detail(segment: Segment, user: User) -> dict[str, Any]:
    """The same for a saved one, with the count by agent."""
    tree = rule_from(segment.rule)
    found = answer(tree, user=user)
    size = _size(tree, found, user, {"segment": str(segment.pk)})
    shares = by_agent(found, user)
    return {
        "size": size,
        "by_agent": [
            opening(NAME, n, name, segment=segment.pk, agent=pk) for pk, name, n in shares
        ],
    }


def _size(tree: Group, found: Answer, user: User, query: dict[str, str]) -> dict[str, Any]:
    shown = _spread(found)
    rows = Customer.objects.for_user(user).select_related("channel").filter(pk__in=shown)
    note = meaning(in_one_line(words_for(tree, user)), data_time=timezone.now())
    return {
        "count": found.count,
        "number": opening(NAME, found.count, _("符合条件"), note, **query),
        "sample": customer_rows(rows),
    }


def _spread(found: Answer) -> list[int]:
    """A few of them, evenly over all ids: the first ones are always the oldest customers."""
    step = max(1, found.count // SAMPLE)
    return [found.bits[place] for place in range(0, found.count, step)][:SAMPLE]


def by_agent(found: Answer, user: User) -> list[tuple[int, str, int]]:
    """(agent, name, their friends among the answer), most first. One may have several agents."""
    agents = dict(Agent.objects.for_user(user).values_list("pk", "name"))
    counts = _agent_counts(found, list(agents))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(pk, agents[pk], count) for pk, count in ranked if count][:AGENTS_SHOWN]


def friends_among(found: Answer, agent: int, user: User) -> list[int] | None:
    """Ids behind one number of ``by_agent``, ascending; None where the user sees no such agent."""
    if not Agent.objects.for_user(user).filter(pk=agent).exists():
        return None
    if found.engine == "bitmaps":
        friends = read_values({(dims.AGENT, agent)}, set()).get((dims.AGENT, agent))
        return ids_of(friends & found.bits).tolist() if friends is not None else []
    contacts = Contact.unsafe_all.current().filter(
        agent=agent, customer__in=ids_of(found.bits).tolist()
    )
    return sorted(contacts.values_list("customer_id", flat=True))


def _agent_counts(found: Answer, agents: list[int]) -> dict[int, int]:
    if found.engine == "bitmaps":
        friends = read_values({(dims.AGENT, pk) for pk in agents}, set())
        return {
            pk: bits.intersection_cardinality(found.bits) for (_dim, pk), bits in friends.items()
        }
    contacts = Contact.unsafe_all.current().filter(
        agent__in=agents, customer__in=ids_of(found.bits).tolist()
    )
    counts: dict[int, int] = {}
    for pk in contacts.values_list("agent_id", flat=True):
        counts[pk] = counts.get(pk, 0) + 1
    return counts
