"""A post beside the one it follows."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.results.before import (
    Before,
    Pair,
    Teller,
    changes,
    hour_words,
    share_words,
    shared_tellers,
)
from analytics.results.moment_reviews import MomentReview, moment_review
from crm.agents.models import User
from crm.moments.models import Moment
from crm.shared.formatting import ABSENT, digits


def moment_before(found: MomentReview, *, user: User) -> Before | None:
    """The comparison with the post that this one follows, where the viewer may see it."""
    moment = found.moment
    if moment.follows_id is None:
        return None
    last = Moment.objects.for_user(user).filter(pk=moment.follows_id).first()
    if last is None:
        return None
    past = moment_review(last, days=found.days, user=user, now=timezone.now())
    page = reverse("analytics:results:moment_review", args=[last.pk])
    return Before(last, page, list(changes(_what(), last, moment)), list(_numbers(past, found)))


def _what() -> list[Teller]:
    return [
        (_("客户标签"), _tags),
        (_("发表员工"), _senders),
        (_("图片数"), lambda one: digits(one.images.count())),
        (_("链接卡片"), lambda one: one.link_title or one.link_url or ABSENT),
        (_("发表时刻"), lambda one: hour_words(one.publish_at)),
        (_("对照组比例"), lambda one: f"{one.control_percent}%"),
    ]


def _tags(one: Moment) -> str:
    names = one.tags.order_by("name").values_list("name", flat=True)
    return _("、").join(names) or _("不限，公开可见")


def _senders(one: Moment) -> str:
    if one.everyone:
        return _("全体员工")
    names = [*one.sender_departments.order_by("name").values_list("name", flat=True)]
    names += one.senders.order_by("name").values_list("name", flat=True)
    return _("、").join(names) or _("跟进这些客户的员工")


def _numbers(past: MomentReview, found: MomentReview) -> Iterator[Pair]:
    for label, tell in (
        (_("计划可见"), lambda one: digits(one.told.planned_customers)),
        (_("发表率"), lambda one: share_words(one.told.published, one.told.agents)),
        (_("能看到的客户"), lambda one: digits(one.people("visible"))),
        *((words, _rate(what)) for words, what in _rates()),
        *shared_tellers(),
    ):
        yield Pair(label, tell(past), tell(found))


def _rates() -> list[tuple[str, str]]:
    return [
        (_("点赞率"), "liked"),
        (_("评论率"), "commented"),
        (_("回复率"), "replied"),
        (_("下单率"), "ordered"),
    ]


def _rate(what: str):
    return lambda one: share_words(
        len(set(one.viewers.people[what]) & set(one.viewers.people["visible"])),
        one.people("visible"),
    )
