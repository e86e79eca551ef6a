"""Opening the size of a segment."""

import json
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.segments.index.bitmaps import ids_of
from analytics.segments.models import Segment
from analytics.segments.over_time import PARTS, over_time
from analytics.segments.parsing import rule_from
from analytics.segments.queries import answer
from analytics.segments.sizes import friends_among
from analytics.segments.studying import members_of, part_of
from analytics.segments.telling import AUDIENCE, NAME, OVER_TIME, part_words, study_words
from analytics.segments.words import in_one_line, words_for
from crm.agents.models import Agent, User
from crm.audiences.models import Audience
from crm.shared.http import row_number

DEFINITION_VERSION = 1


def _nothing(field: str) -> FigureRefused:
    return FigureRefused(_("没有这个数字，请从报表页点开"), field=field)


def _row_of(found: QuerySet, params: QueryDict, name: str) -> Any:
    """The row that a parameter names, of those the user may see."""
    row = found.filter(pk=row_number(params.get(name))).first()
    if row is None:
        raise _nothing(name)
    return row


def open_segment(params: QueryDict, user: User) -> Opened:
    """Who answers a saved segment (``segment``) or a rule (``rule``, JSON) now."""
    title, body, back = _("分群试算"), None, reverse("analytics:segments:list")
    if pk := params.get("segment", ""):
        segment = _row_of(Segment.objects.for_user(user), params, "segment")
        title, body = segment.name, segment.rule
        back = reverse("analytics:segments:detail", args=[segment.pk])
        query = (("segment", pk),)
    else:
        try:
            body = json.loads(params.get("rule", ""))
        except json.JSONDecodeError:
            raise _nothing("rule") from None
        query = (("rule", json.dumps(body, ensure_ascii=False)),)
    tree = rule_from(body)
    now = timezone.now()
    found = answer(tree, user=user, now=now)
    ids: list[int] | None = ids_of(found.bits).tolist()
    if asked := params.get("agent", ""):
        ids = friends_among(found, row_number(asked), user)
        title, query = _of_agent(title, asked), (*query, ("agent", asked))
    if ids is None:
        raise _nothing("agent")
    return Opened(
        title=title,
        ids=ids,
        definition=in_one_line(words_for(tree, user)),
        version=DEFINITION_VERSION,
        data_time=now,
        back=back,
        query=query,
        question={"rule": tree.as_json()},
    )


def _of_agent(title: str, asked: str) -> str:
    agent = Agent.unsafe_all.filter(pk=row_number(asked)).first()
    return f"{title} · {agent.name}" if agent else title


def open_over_time(params: QueryDict, user: User) -> Opened:
    """One part of a segment between two days: ``segment``, ``from``, ``to``, ``part``."""
    segment = _row_of(Segment.objects.for_user(user), params, "segment")
    part, days = params.get("part", ""), {}
    for name in ("from", "to"):
        try:
            days[name] = date.fromisoformat(params.get(name, ""))
        except ValueError:
            raise _nothing(name) from None
    if part not in PARTS:
        raise _nothing("part")
    tree, now = rule_from(segment.rule), timezone.now()
    found = over_time(tree, days["from"], days["to"], user=user, now=now)
    asked = {"from": days["from"].isoformat(), "to": days["to"].isoformat(), "part": part}
    return Opened(
        title=f"{segment.name} · {part_words(part)}",
        ids=ids_of(found.part(part)).tolist(),
        definition=in_one_line(words_for(tree, user)),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:segments:over_time', args=[segment.pk])}?"
        + urlencode({"from": asked["from"], "to": asked["to"]}),
        query=(("segment", str(segment.pk)), *asked.items()),
        question={"rule": tree.as_json()} | asked,
    )


def open_audience(params: QueryDict, user: User) -> Opened:
    """One number of an audience's study: ``audience``, ``part``, and ``with`` for an overlap."""
    seen = Audience.objects.for_user(user)
    audience, part = _row_of(seen, params, "audience"), params.get("part", "")
    if asked := params.get("agent", ""):
        return _open_members(audience, asked, user)
    other = _row_of(seen, params, "with") if part in ("both", "only", "other") else None
    ids = part_of(audience, part, other, user)
    if ids is None:
        raise _nothing("part")
    query = (("audience", str(audience.pk)), ("part", part))
    back = reverse("analytics:segments:audience", args=[audience.pk])
    if other is not None:
        query = (*query, ("with", str(other.pk)))
        back += "?" + urlencode({"with": other.pk})
    return Opened(
        title=f"{audience.name} · {study_words(part, other)}",
        ids=ids,
        definition=study_words(part, other),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=back,
        query=query,
        question=dict(query),
    )


def _open_members(audience: Audience, asked: str, user: User) -> Opened:
    """Members of an audience who are friends of one agent."""
    ids = members_of(audience, row_number(asked), user)
    if ids is None:
        raise _nothing("agent")
    query = (("audience", str(audience.pk)), ("agent", asked))
    return Opened(
        title=_of_agent(audience.name, asked),
        ids=ids,
        definition=_("一位客户可以是几位员工的好友"),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=reverse("analytics:segments:audience", args=[audience.pk]),
        query=query,
        question=dict(query),
    )


register(NAME, open_segment)
register(OVER_TIME, open_over_time)
register(AUDIENCE, open_audience)
