"""Posts in groups as rows of page and file, and opening the people behind their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.figures.numbers import Number, meaning, opening
from analytics.figures.registry import FigureRefused, Opened, register
from analytics.results.figures import send_from
from analytics.results.group_posts import (
    GROUP_POST_VERSION,
    WHATS,
    GroupPost,
    everybody,
    group_posts,
)
from crm.agents.models import User
from crm.outreach.models import MassRecipient, MassSend
from crm.outreach.queries import reason_words
from crm.shared.formatting import ABSENT
from crm.shared.formatting import rate as rate_text
from crm.wecom.mass_records import MassStatus

NAME = "group-post"
LABELS: dict[str, str | Promise] = {
    "members": gettext_lazy("发出时的成员"),
    "spoke": gettext_lazy("24 小时内发言的人"),
    "left": gettext_lazy("24 小时内的退群"),
}


@dataclass(frozen=True)
class Row:
    """One group on the page; numbers are None where nothing was posted or nobody knows."""

    post: GroupPost
    outcome: str
    members: Number | None
    spoke: Number | None
    left: Number | None
    usual: str
    share: str
    verdict: str
    level: str


def group_definition() -> str:
    """What the numbers of a post in groups mean."""
    return _(
        "确认：企业微信回报群主已经发到群里。退群：发出后 24 小时内自己离开的客户，被移出的和群"
        "解散的不算；与这个群此前四周（新群从建群起）每 24 小时的平均比较，用两个泊松率的精确条件"
        "检验，单侧 5%，群多时约有二十分之一会碰巧高于平常。退群率只算发出时的成员。"
        "发言只数同意存档的客户在群里说的话，不看内容。只含您能看到的客户。"
    )


def group_rows(found: list[GroupPost], send: MassSend) -> list[Row]:
    """Groups in the order in which they were found."""
    return [_row(post, send) for post in found]


def _row(post: GroupPost, send: MassSend) -> Row:
    verdict, level = _verdict(post)
    share = post.share
    return Row(
        post=post,
        outcome=_outcome(*post.outcome),
        members=_number(post, send, "members"),
        spoke=_number(post, send, "spoke"),
        left=_number(post, send, "left"),
        usual=ABSENT if post.usual is None else f"{post.usual:.1f}",
        share=_share(post) if share and share.value is not None else ABSENT,
        verdict=verdict,
        level=level,
    )


def _outcome(state: str, reason: str, result: int | None) -> str:
    """How a group ended, in words."""
    if state == MassRecipient.State.DONE:
        return _("已交给员工，还没有回报") if result is None else str(MassStatus(result).label)
    words = reason_words(reason)
    label = str(MassRecipient.State(state).label)
    return f"{label} · {words}" if words else label


def _share(post: GroupPost) -> str:
    share = post.share
    return _("%(share)s（%(low)s 到 %(high)s）") % {
        "share": rate_text(share.value),
        "low": rate_text(share.low),
        "high": rate_text(share.high),
    }


def _verdict(post: GroupPost) -> tuple[str, str]:
    if not post.is_confirmed:
        return ABSENT, ""
    if not post.is_over:
        return _("未满 24 小时"), ""
    if post.p_value is None:
        return _("群太新，没有平常可比"), ""
    return (_("高于平常"), "bad") if post.is_high else (_("看不出差别"), "")


def _number(post: GroupPost, send: MassSend, what: str) -> Number | None:
    people = getattr(post, what)
    if people is None:
        return None
    note = meaning(group_definition(), share=post.share if what == "left" else None)
    label = f"{post.group} · {LABELS[what]}"
    return opening(NAME, len(people), label, note, send=send.pk, group=post.group_id, what=what)


def total(found: list[GroupPost], send: MassSend, what: str) -> Number | None:
    """Everybody of one kind over all groups, each once; None where no group is known."""
    if all(getattr(post, what) is None for post in found):
        return None
    label = str(LABELS[what])
    return opening(NAME, len(everybody(found, what)), label, send=send.pk, what=what)


def summary(found: list[GroupPost]) -> str:
    """The post in one sentence."""
    return _("发到 %(all)s 个群，确认 %(n)s 个；%(high)s 个群之后的退群高于平常") % {
        "all": len(found),
        "n": sum(post.is_confirmed for post in found),
        "high": sum(post.is_high for post in found),
    }


def file_header() -> list[str]:
    """Columns of the file."""
    return [
        _("客户群"), _("员工"), _("结果"), _("已确认"), _("发出时间"), _("发出时的成员"),
        _("24 小时内的消息"), _("24 小时内发言的人"), _("24 小时内的退群"), _("平常"),
        _("退群率"), _("退群率下限"), _("退群率上限"), _("p 值"), _("结论"),
    ]  # fmt: skip


def file_rows(rows: list[Row]) -> Iterator[list[object]]:
    """One line a group; what is not known is empty."""
    for row in rows:
        post, share = row.post, row.post.share
        yield [
            post.group, post.agent, row.outcome, post.is_confirmed, post.at,
            _length(post.members), post.messages, _length(post.spoke), _length(post.left),
            None if post.usual is None else round(post.usual, 3),
            *((share.value, share.low, share.high) if share else (None, None, None)),
            None if post.p_value is None else round(post.p_value, 6), row.verdict,
        ]  # fmt: skip


def _length(people: tuple[int, ...] | None) -> int | None:
    return None if people is None else len(people)


def open_group(params: QueryDict, user: User) -> Opened:
    """Members, speakers or leavers of ``group``, or of all groups of ``send``."""
    send, what = send_from(params, user, MassSend.Target.GROUPS), params.get("what", "")
    if what not in WHATS:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="what")
    now = timezone.now()
    found, words = group_posts(send, user=user, now=now), [send.title]
    query = [("send", str(send.pk)), ("what", what)]
    if (named := params.get("group")) is not None:
        found = [post for post in found if str(post.group_id) == named]
        if not found:
            raise FigureRefused(_("没有这个数字，请从报表页点开"), field="group")
        words.append(found[0].group)
        query.append(("group", named))
    return Opened(
        title=" · ".join([*words, str(LABELS[what])]),
        ids=everybody(found, what),
        definition=group_definition(),
        version=GROUP_POST_VERSION,
        data_time=now,
        back=reverse("analytics:results:send", args=[send.pk]),
        query=tuple(query),
        question=dict(query),
    )


register(NAME, open_group)
