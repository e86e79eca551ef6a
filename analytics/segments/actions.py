"""Saving segments, and freezing their answers."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from analytics.segments.models import Segment, SegmentVersion
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.queries import answer, refuse_misfits, setting_for
from analytics.segments.rule import Group, InSegment, walk
from analytics.segments.words import in_one_line, words_for
from crm.agents.actions import audit
from crm.agents.models import User
from crm.audiences.actions import freeze_audience
from crm.audiences.models import Audience
from crm.shared.errors import DomainError
from crm.shared.text import clean_text


class SegmentRefused(DomainError):
    """A segment cannot be saved or used as asked."""


def save_segment(
    *,
    name: str,
    rule: Any,
    by: User,
    now: datetime,
    description: str = "",
    segment: Segment | None = None,
    version: int | None = None,
) -> Segment:
    """Create a segment, or give one a new version; an equal rule makes no new version.

    ``version`` is the one the editor saw. Raises SegmentRefused, or RuleRefused for the rule.
    """
    name = clean_text(name, limit=128)
    if not name:
        raise SegmentRefused(_("请为分群取一个名称"), field="name")
    tree = rule_from(rule)
    try:
        with transaction.atomic():
            if segment is None:
                return _create(name, description, tree, by, now)
            return _change(segment, version, name, description, tree, by, now)
    except IntegrityError as taken:
        raise SegmentRefused(
            _("已经有叫「%(name)s」的分群，请换一个名称") % {"name": name}, field="name"
        ) from taken


def _create(name: str, description: str, tree: Group, by: User, now: datetime) -> Segment:
    refuse_misfits(tree, setting_for(tree))  # Which refuses segments that do not exist.
    segment = Segment.unsafe_all.create(
        name=name,
        description=clean_text(description, limit=512),
        owner=by,
        rule=tree.as_json(),
    )
    _keep_version(segment, by, now)
    audit(by, "segment.create", segment, now=now, rule=segment.rule)
    return segment


def _change(
    segment: Segment,
    version: int | None,
    name: str,
    description: str,
    tree: Group,
    by: User,
    now: datetime,
) -> Segment:
    segment = Segment.objects.for_user(by).changeable_by(by).select_for_update().get(pk=segment.pk)
    if version is not None and version != segment.version:
        raise SegmentRefused(_("别人刚刚改过这个分群，请刷新后再改"))
    _refuse_circle(segment.pk, tree)
    segment.name, segment.description = name, clean_text(description, limit=512)
    if segment.rule != tree.as_json():
        segment.rule = tree.as_json()
        segment.version += 1
        _keep_version(segment, by, now)
    segment.save()
    audit(by, "segment.change", segment, now=now, version=segment.version, rule=segment.rule)
    return segment


def _refuse_circle(pk: int, tree: Group) -> None:
    """A segment may not contain itself, however far away."""
    setting = setting_for(tree)
    refuse_misfits(tree, setting)
    inside = [tree, *setting.segments.values()]
    if any(
        isinstance(node, InSegment) and node.segment == pk for one in inside for node in walk(one)
    ):
        raise RuleRefused(_("分群不能包含自己：请去掉对它的引用"), field="segment")


def _keep_version(segment: Segment, by: User, now: datetime) -> None:
    SegmentVersion.objects.create(
        segment=segment, number=segment.version, rule=segment.rule, saved_by=by, saved_at=now
    )


def archive_segment(*, segment: Segment, by: User, now: datetime) -> None:
    """Take a segment out of the list; refused while another one refers to it."""
    for other in Segment.unsafe_all.filter(is_archived=False).exclude(pk=segment.pk):
        if any(
            isinstance(node, InSegment) and node.segment == segment.pk
            for node in walk(rule_from(other.rule))
        ):
            raise SegmentRefused(_("分群「%(name)s」引用了它，请先改那一个") % {"name": other.name})
    Segment.objects.for_user(by).changeable_by(by).filter(pk=segment.pk).update(is_archived=True)
    audit(by, "segment.archive", segment, now=now)


def freeze_segment(*, segment: Segment, name: str, by: User, now: datetime) -> Audience:
    """Who answers the segment now, within the actor's scope, as a frozen list."""
    tree = rule_from(segment.rule)
    refuse_misfits(tree, setting_for(tree))
    found = answer(tree, user=by, now=now)
    return freeze_audience(
        name=name,
        customer_ids=list(found.bits),
        description=in_one_line(words_for(tree, by)),
        question={"segment": segment.pk, "version": segment.version, "rule": segment.rule},
        source="segment",
        by=by,
        now=now,
    )
