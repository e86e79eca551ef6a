"""Judging a month again: send after send, what an earlier one would have been spared counts.

People and their answers are taken as they were at each send; life stages and risks of deletion as
they are now, because no send keeps them.
"""

from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.agents.actions import audit
from crm.agents.models import User
from crm.gate.judging import judgement
from crm.gate.models import TouchRule
from crm.jobs.actions import Ending, create_job, run_job
from crm.jobs.models import Job
from crm.jobs.progress import Progress
from crm.outreach.models import MassRecipient, MassSend, Replay, ReplayStop
from crm.shared.errors import DomainError
from crm.shared.times import corp_zone, day_end, day_start, local_day

_DONE = MassRecipient.State.DONE
# Rules look back at most so far.
LOOK_BACK = timedelta(days=400)

# What was received before the month, and what agents sent in it of their own accord.
_BEFORE = """
create temporary table replay_touch on commit drop as
select slot.customer_id as receiver_id, slot.day, slot.taken_at, of_send.content_kind
from crm_sendslot slot
left join crm_massrecipient to_whom on to_whom.id = slot.recipient_id
left join crm_masssend of_send on of_send.id = to_whom.send_id
where slot.customer_id is not null and slot.taken_at >= %(since)s and slot.taken_at < %(end)s
  and (slot.taken_at < %(start)s or slot.recipient_id is null)
"""
_INDEX = "create index on replay_touch (receiver_id, day)"
_STOPPED = """
insert into crm_replaystop (replay_id, send_id, customer_id, rule, rule_version, reason)
select %(replay)s, %(send)s, customer_id, (%(gate_codes)s::text[])[place],
       (%(gate_versions)s::int[])[place], (%(gate_reasons)s::text[])[place]
from (
    select r.customer_id, {says} as place
    from crm_massrecipient r
    where r.send_id = %(send)s and r.state = 'done' and r.customer_id is not null
) judged
where place > 0
"""
_PASSED = """
insert into replay_touch
select r.customer_id, %(day)s, %(at)s, %(kind)s
from crm_massrecipient r
where r.send_id = %(send)s and r.state = 'done' and r.customer_id is not null
  and not exists (select from crm_replaystop s where s.replay_id = %(replay)s
                  and s.send_id = r.send_id and s.customer_id = r.customer_id)
"""


class ReplayRefused(DomainError):
    """There is nothing to replay, or nothing to replay it under."""


def month_of(day: date) -> tuple[datetime, datetime]:
    """The instants at which a month of the corporation begins and ends."""
    first = day.replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return day_start(first), day_end(last)


@transaction.atomic
def start_replay(*, month: date, as_of: datetime, by: User, now: datetime) -> Replay:
    """Queue a replay of a month under the rules that hold at ``as_of``; raises ReplayRefused."""
    start, _end = month_of(month)
    if start > now:
        raise ReplayRefused(_("这个月还没有开始，请选择已有群发的月份"), field="month")
    if not TouchRule.in_force(as_of):
        raise ReplayRefused(
            _("到那时没有生效的触达规则；先在系统配置里写下新规则和生效时间"), field="as_of"
        )
    replay = Replay.objects.create(month=month.replace(day=1), as_of=as_of, made_by=by, made_at=now)
    replay.job = create_job(
        kind=Job.Kind.REPLAY,
        title=_("规则重演 %(month)s") % {"month": f"{month:%Y-%m}"},
        by=by,
        params={"replay_id": replay.pk},
        page=reverse("crm:outreach:replay", args=[replay.pk]),
    )
    replay.save(update_fields=["job"])
    audit(by, "gate.replay", replay, now=now, month=f"{month:%Y-%m}")
    return replay


def run_replay(job_id: int, *, now: datetime) -> bool:
    """Do the work of a waiting job; False if there is nothing to do any more."""
    owner = User.objects.filter(jobs=job_id).first()
    with override(owner.language if owner else None):
        return run_job(job_id, _work, now=now)


def _work(job: Job, progress: Progress) -> Ending:
    progress.enter(Job.Phase.WRITING)
    replay = Replay.objects.get(pk=job.params["replay_id"])
    touches, stopped = replay_month(replay, progress=progress)
    return Ending(result={"touches": touches, "stopped": stopped})


@transaction.atomic
def replay_month(replay: Replay, *, progress: Progress | None = None) -> tuple[int, int]:
    """Judge the month's sends in their order; how many were sent, and how many of them stopped."""
    start, end = month_of(replay.month)
    in_force = TouchRule.in_force(replay.as_of)
    rules = [in_force[code] for code in sorted(in_force)]
    replay.stops.all().delete()
    touches = 0
    with connection.cursor() as cursor:
        cursor.execute("drop table if exists pg_temp.replay_touch")
        cursor.execute(_BEFORE, {"since": start - LOOK_BACK, "start": start, "end": end})
        cursor.execute(_INDEX)
        for send in _sends(start, end):
            if progress:
                progress.check()
            at = send.send_at
            said = judgement(
                [rule for rule in rules if rule.holds_for(send.content_kind)],
                receiver="r.customer_id",
                touches="select * from replay_touch",
                at=at,
            )
            values = {"replay": replay.pk, "send": send.pk, "at": at, "day": local_day(at)}
            cursor.execute(_STOPPED.format(says=said.sql), values | said.named)
            stopped = cursor.rowcount
            cursor.execute(_PASSED, values | {"kind": send.content_kind})
            touches += stopped + cursor.rowcount
    replay.touches, replay.stopped = touches, replay.stops.count()
    replay.save(update_fields=["touches", "stopped"])
    return replay.touches, replay.stopped


def _sends(start: datetime, end: datetime) -> list[MassSend]:
    """Sends to customers in a month, in the order in which they went out."""
    found = MassSend.unsafe_all.filter(
        send_at__gte=start, send_at__lt=end, target=MassSend.Target.CUSTOMERS
    )
    return list(found.filter(batches__state="done").distinct().order_by("send_at", "pk"))


def months_with_sends(now: datetime) -> list[date]:
    """Months that have something to replay, newest first."""
    instants = MassSend.unsafe_all.filter(send_at__lte=now, batches__state="done").order_by()
    seen = instants.datetimes("send_at", "month", order="DESC", tzinfo=corp_zone())
    return [at.date() for at in seen[:24]]


def rules_known(now: datetime) -> tuple[list[TouchRule], list[TouchRule]]:
    """Rules in force, and rules to come in the order of their dates."""
    in_force = TouchRule.in_force(now)
    to_come = TouchRule.objects.filter(valid_from__gt=now).order_by("valid_from", "code")
    return [in_force[code] for code in sorted(in_force)], list(to_come)


def touches_in(replay: Replay, user: User) -> int:
    """How many touches of people in scope the month had."""
    start, end = month_of(replay.month)
    seen = MassRecipient.objects.for_user(user).filter(state=_DONE, customer__isnull=False)
    return seen.filter(send__send_at__gte=start, send__send_at__lt=end).count()


def stops_by_rule(replay: Replay, user: User) -> list[dict]:
    """Per rule how many touches of how many people in scope would have been stopped."""
    rows = ReplayStop.objects.for_user(user).filter(replay=replay).order_by()
    return list(
        rows.values("rule", "rule_version", "reason")
        .annotate(touches=Count("pk"), people=Count("customer", distinct=True))
        .order_by("-touches", "rule")
    )
