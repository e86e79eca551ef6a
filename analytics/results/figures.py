"""Opening the numbers of a send's results."""

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from analytics.figures.query_ids import QueryIds
from analytics.figures.registry import FigureRefused, Opened, register
from analytics.results.aftermath import Start, aftermath, together
from analytics.results.comparing import ARMS, DAYS, DEFAULT_DAYS, DEFINITION_VERSION
from analytics.results.judging import definition, judge
from analytics.results.outcomes import LABELS
from analytics.rfm.figures import layer_labels
from crm.agents.models import User
from crm.outreach.models import MassBatch, MassRecipient, MassSend
from crm.outreach.queries import reason_words
from crm.shared.http import row_number
from crm.wecom.mass_records import MassStatus

NAME, DELETIONS = "send-result", "send-deletions"
BLUR, RECIPIENTS = "send-blur", "send-recipients"


def days_from(params: QueryDict) -> int:
    """The asked days of observation; what is not offered becomes the default."""
    given = params.get("days", "")
    return int(given) if given in {str(days) for days in DAYS} else DEFAULT_DAYS


def send_from(params: QueryDict, user: User, target: str = MassSend.Target.CUSTOMERS) -> MassSend:
    """The send to ``target`` that ``send`` names, of those the user may see."""
    pk = row_number(params.get("send"))
    row = MassSend.objects.for_user(user).filter(pk=pk, target=target).first()
    if row is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="send")
    return row


def open_result(params: QueryDict, user: User) -> Opened:
    """People of an ``arm``, all or with a yes in ``outcome``, after ``days`` days."""
    send, days, arm = send_from(params, user), days_from(params), params.get("arm", "")
    outcome = params.get("outcome", "")
    layer = params.get("layer", "")
    if arm not in ARMS or outcome not in ("", *LABELS) or layer not in ("", *layer_labels()):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="arm")
    now = timezone.now()
    query = {"send": str(send.pk), "days": str(days), "arm": arm}
    query |= {"outcome": outcome} if outcome else {}
    query |= {"layer": layer} if layer else {}
    found = judge(send, days=days, user=user, now=now)
    words = [send.title, found.arm_words(arm), *([str(LABELS[outcome])] if outcome else [])]
    words += [layer_labels()[layer]] if layer else []
    return Opened(
        title=" · ".join(words),
        ids=found.people(arm, outcome, layer),
        definition=definition(days),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:results:send', args=[send.pk])}?{urlencode({'days': days})}",
        query=tuple(query.items()),
        question=query,
    )


def starts_of(send: MassSend) -> list[Start]:
    """When each agent's part of a send went out, or was to go out: the first batch tells."""
    batches = MassBatch.unsafe_all.filter(send=send).order_by("-number")
    rows = batches.values_list("agent_id", "confirmed_at", "accepted_at")
    first = {agent: confirmed or accepted for agent, confirmed, accepted in rows}
    return [Start(send.pk, agent, at or send.send_at) for agent, at in first.items()]


def open_deletions(params: QueryDict, user: User) -> Opened:
    """Customers who deleted the ``agent``, or any sender, within 48 hours of the send."""
    send, now = send_from(params, user), timezone.now()
    found, named = aftermath(starts_of(send), user), params.get("agent")
    query = (("send", str(send.pk)),)
    if named is not None:
        found = [row for row in found if str(row.agent_id) == named]
        query += (("agent", named),)
    excess = together(found)
    if excess is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="agent")
    who = [] if named is None else [found[0].agent]
    return Opened(
        title=" · ".join([send.title, *who, _("48 小时内的删除")]),
        ids=excess.people,
        definition=_("发出后 48 小时内删除这位员工的客户，与此前四周里每 48 小时的平均数比较"),
        version=DEFINITION_VERSION,
        data_time=now,
        back=reverse("analytics:results:send", args=[send.pk]),
        query=query,
        question=dict(query),
    )


def blur_labels() -> dict[str, str]:
    """What blurs a comparison, in words."""
    return {
        "control_touched": _("对照组里被别的内容触达"),
        "treated_touched": _("收到的人里也被别的内容触达"),
        "treated_missed": _("计划收到但没有发出"),
    }


def open_blur(params: QueryDict, user: User) -> Opened:
    """People who blur the comparison of a ``send``; ``what`` is a key of ``blur_labels``."""
    send, days, what = send_from(params, user), days_from(params), params.get("what", "")
    if what not in blur_labels():
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="what")
    now = timezone.now()
    query = {"send": str(send.pk), "days": str(days), "what": what}
    return Opened(
        title=" · ".join([send.title, blur_labels()[what]]),
        ids=judge(send, days=days, user=user, now=now).blurring(what),
        definition=definition(days),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:results:send', args=[send.pk])}?{urlencode({'days': days})}",
        query=tuple(query.items()),
        question=query,
    )


def open_recipients(params: QueryDict, user: User) -> Opened:
    """Recipients of a ``send``: all, those in a ``state`` for a ``reason``, or the ``reached``."""
    send, state = send_from(params, user), params.get("state", "")
    rows = MassRecipient.objects.for_user(user).filter(send=send)
    query, words = {"send": str(send.pk)}, [send.title]
    if state == "reached":
        rows = rows.filter(result=MassStatus.SENT)
        words.append(_("送达"))
    elif state:
        if state not in MassRecipient.State.values:
            raise FigureRefused(_("没有这个数字，请从报表页点开"), field="state")
        reason = params.get("reason", "")
        rows = rows.filter(state=state, reason=reason)
        words += filter(None, [str(MassRecipient.State(state).label), str(reason_words(reason))])
        query |= {"reason": reason}
    query |= {"state": state} if state else {}
    return Opened(
        title=" · ".join(words),
        ids=QueryIds(rows),
        definition=_("每个对象在一次群发里恰好有一个状态；送达以企业微信的结果为准。"),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=reverse("analytics:results:review", args=[send.pk]),
        query=tuple(query.items()),
        question=query,
    )


register(NAME, open_result)
register(BLUR, open_blur)
register(RECIPIENTS, open_recipients)
register(DELETIONS, open_deletions)
