"""Opening the size of a segment."""

import json

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.segments.index.bitmaps import ids_of
from analytics.segments.models import Segment
from analytics.segments.parsing import rule_from
from analytics.segments.queries import answer
from analytics.segments.words import in_one_line, words_for
from crm.agents.models import User

NAME = "segment"
DEFINITION_VERSION = 1


def open_segment(params: QueryDict, user: User) -> Opened:
    """Who answers a saved segment (``segment``) or a rule (``rule``, JSON) now."""
    title, body, back = _("分群试算"), None, reverse("analytics:segments:list")
    if pk := params.get("segment", ""):
        segment = None
        if pk.isascii() and pk.isdigit() and len(pk) < 19:
            segment = Segment.objects.for_user(user).filter(pk=int(pk)).first()
        if segment is None:
            raise FigureRefused(_("没有这个数字，请从报表页点开"), field="segment")
        title, body = segment.name, segment.rule
        back = reverse("analytics:segments:detail", args=[segment.pk])
        query = (("segment", pk),)
    else:
        try:
            body = json.loads(params.get("rule", ""))
        except json.JSONDecodeError:
            raise FigureRefused(_("没有这个数字，请从报表页点开"), field="rule") from None
        query = (("rule", json.dumps(body, ensure_ascii=False)),)
    tree = rule_from(body)
    now = timezone.now()
    found = answer(tree, user=user, now=now)
    return Opened(
        title=title,
        ids=ids_of(found.bits).tolist(),
        definition=in_one_line(words_for(tree, user)),
        version=DEFINITION_VERSION,
        data_time=now,
        back=back,
        query=query,
        question={"rule": tree.as_json()},
    )


register(NAME, open_segment)
