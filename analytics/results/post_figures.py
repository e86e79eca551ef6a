"""Opening the numbers of posts to Moments."""

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.figures.registry import FigureRefused, Opened, register
from analytics.results.aftermath import Start, aftermath, together
from analytics.results.comparing import ARMS, DEFINITION_VERSION
from analytics.results.figures import days_from
from analytics.results.moment_judging import MomentJudgement, judge_moment
from analytics.results.outcomes import LABELS as OUTCOME_LABELS
from analytics.results.posts import DEFAULT_RANGE, OUTCOMES, RANGES, Account, accounts, viewers
from crm.agents.models import User
from crm.moments.models import Moment, MomentTask

VIEWERS, AFTER_POSTS, AFTER_MOMENT = "moment-viewers", "post-deletions", "moment-deletions"
LABELS: dict[str, str | Promise] = {
    "visible": gettext_lazy("能看到的客户"),
    "liked": gettext_lazy("点赞"),
    "commented": gettext_lazy("评论过"),
    "replied": gettext_lazy("之后发来消息"),
    "ordered": gettext_lazy("之后付款"),
    "deleted": gettext_lazy("48 小时内的删除"),
}


def range_from(params: QueryDict) -> int:
    """The asked days of posts; what is not offered becomes the default."""
    given = params.get("range", "")
    return int(given) if given in {str(days) for days in RANGES} else DEFAULT_RANGE


def moment_definition(days: int) -> str:
    """What the numbers of one moment mean."""
    return _(
        "能看到的客户按企业微信回报；从他们最早能看到的那一刻起看 %(days)s 天：发来过消息、"
        "有过付款、净收入（付款减退款，不论起因）。删除看 48 小时。"
        "这里没有对照，先后不等于因果。"
    ) % {"days": days}


def account_definition(days: int) -> str:
    """What the numbers of an account mean."""
    return _(
        "最近 %(days)s 天里满 48 小时的每次发圈：之后 48 小时内删除这个账号的客户，与它此前四周里每"
        "48 小时的平均数比较（两个泊松率的精确条件检验，单侧 5%%）。三次以上高于平常就提醒。"
    ) % {"days": days}


def open_viewers(params: QueryDict, user: User) -> Opened:
    """Customers who could see ``moment`` and did ``what``, within ``days`` days."""
    moment, days, what = moment_from(params, user), days_from(params), params.get("what", "")
    if what not in OUTCOMES:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="what")
    query = {"moment": str(moment.pk), "days": str(days), "what": what}
    back = reverse("analytics:results:moment", args=[moment.pk])
    return Opened(
        title=f"{moment.title} · {LABELS[what]}",
        ids=viewers(moment, days=days, user=user).people[what],
        definition=moment_definition(days),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=f"{back}?{urlencode({'days': days})}",
        query=tuple(query.items()),
        question=query,
    )


def open_moment_result(params: QueryDict, user: User) -> Opened:
    """People of an ``arm`` of ``moment``, all or with a yes in ``outcome``."""
    moment, days = moment_from(params, user), days_from(params)
    arm, outcome = params.get("arm", ""), params.get("outcome", "")
    now = timezone.now()
    found = judge_moment(moment, days=days, user=user, now=now)
    if found is None or arm not in ARMS or outcome not in ("", *OUTCOME_LABELS):
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="arm")
    query = {"moment": str(moment.pk), "days": str(days), "arm": arm}
    query |= {"outcome": outcome} if outcome else {}
    words = [
        moment.title,
        found.arm_words(arm),
        *([str(OUTCOME_LABELS[outcome])] if outcome else []),
    ]
    back = reverse("analytics:results:moment", args=[moment.pk])
    return Opened(
        title=" · ".join(words),
        ids=found.people(arm, outcome),
        definition=found.definition,
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{back}?{urlencode({'days': days})}",
        query=tuple(query.items()),
        question=query,
    )


def open_moment_deletions(params: QueryDict, user: User) -> Opened:
    """Customers who deleted ``agent``, or any account, within 48 hours of posting ``moment``."""
    moment, named = moment_from(params, user), params.get("agent")
    found, query = aftermath(task_starts(moment, user), user), (("moment", str(moment.pk)),)
    if named is not None:
        found = [row for row in found if str(row.agent_id) == named]
        query += (("agent", named),)
    excess = together(found)
    if excess is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="agent")
    who = [] if named is None else [found[0].agent]
    return Opened(
        title=" · ".join([moment.title, *who, _("48 小时内的删除")]),
        ids=excess.people,
        definition=_("发出后 48 小时内删除这位员工的客户，与此前四周里每 48 小时的平均数比较"),
        version=DEFINITION_VERSION,
        data_time=timezone.now(),
        back=reverse("analytics:results:moment", args=[moment.pk]),
        query=query,
        question=dict(query),
    )


def task_starts(moment: Moment, user: User) -> list[Start]:
    """When each account in scope published a moment."""
    tasks = MomentTask.objects.for_user(user).filter(moment=moment, published_at__isnull=False)
    return [Start(task.pk, task.agent_id, task.published_at) for task in tasks]


def moment_from(params: QueryDict, user: User) -> Moment:
    """The moment that ``moment`` names, of those the user may see."""
    pk = params.get("moment", "")
    row = None
    if pk.isascii() and pk.isdigit() and len(pk) < 19:
        row = Moment.objects.for_user(user).filter(pk=int(pk)).first()
    if row is None:
        raise FigureRefused(_("没有这个数字，请从报表页点开"), field="moment")
    return row


def open_after_posts(params: QueryDict, user: User) -> Opened:
    """Who deleted ``agent`` within 48 hours of its posts, or of ``post`` alone."""
    now, days = timezone.now(), range_from(params)
    account = _account(accounts(user, days=days, now=now), params.get("agent", ""))
    query = {"range": str(days), "agent": str(account.agent_id)}
    ids, words = account.people, [account.agent, _("48 小时内的删除")]
    if named := params.get("post"):
        found = {post_name(post.key): after for post, after in account.posts}
        if named not in found:
            raise FigureRefused(_("没有这个数字，请从报表页点开"), field="post")
        ids, query["post"] = list(found[named].people), named
    return Opened(
        title=" · ".join(words),
        ids=ids,
        definition=account_definition(days),
        version=DEFINITION_VERSION,
        data_time=now,
        back=f"{reverse('analytics:results:posts')}?{urlencode({'range': days})}",
        query=tuple(query.items()),
        question=query,
    )


def post_name(key: tuple[str, int]) -> str:
    """A post's name in a link."""
    return f"{key[0]}-{key[1]}"


def _account(found: list[Account], agent: str) -> Account:
    for account in found:
        if str(account.agent_id) == agent:
            return account
    raise FigureRefused(_("没有这个数字，请从报表页点开"), field="agent")


register(VIEWERS, open_viewers)
register(MomentJudgement.figure, open_moment_result)
register(AFTER_POSTS, open_after_posts)
register(AFTER_MOMENT, open_moment_deletions)
