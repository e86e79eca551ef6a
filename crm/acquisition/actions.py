"""Queueing a welcome the moment its callback is here, and keeping the rules."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.acquisition.gate import word_on
from crm.acquisition.models import Welcome, WelcomeSent
from crm.acquisition.wording import BadWording, check_wording, say
from crm.agents.actions import audit
from crm.agents.models import Agent, Department, User
from crm.content.linting import refuse_sensitive
from crm.customers.models import Channel, Customer
from crm.faces.models import Face
from crm.faces.queries import greeting_faces
from crm.outbox import actions as outbox
from crm.outbox.actions import NewItem
from crm.shared.text import clean_text
from crm.trials.models import Trial, TrialArm
from crm.trials.variants import TrialPlan, TrialRefused, arm_for, start_trial

KIND = "welcome"
CODE_LIVES = timedelta(seconds=20)
Outcome = WelcomeSent.Outcome


@dataclass(frozen=True)
class Greeting:
    """What a callback with a welcome code says."""

    code: str
    userid: str
    external_userid: str
    state: str
    happened_at: datetime


@transaction.atomic
def queue_welcome(greeting: Greeting, *, now: datetime) -> bool:
    """Queue the welcome of a code, once; False when nothing is to be said or the code is known."""
    if WelcomeSent.unsafe_all.filter(code=greeting.code).exists():
        return False
    known = Agent.unsafe_all.filter(userid=greeting.userid)
    agent = known.select_related("department").first()
    welcome = choose(agent, greeting.state, greeting.external_userid)
    word = word_on(greeting.userid, greeting.external_userid, now=now) if welcome else None
    is_again = word is not None and word.is_no
    # Who is not greeted at all is not part of a comparison of greetings.
    arm = None if is_again else _drawn(welcome, greeting)
    outcome = Outcome.AGAIN if is_again else _outcome(welcome, arm)
    row = WelcomeSent(
        code=greeting.code,
        external_userid=greeting.external_userid,
        userid=greeting.userid,
        agent=agent,
        state=greeting.state[:64],
        welcome=welcome,
        arm=arm,
        outcome=outcome,
        rule=word.rule if word else "",
        rule_version=word.version if word else None,
        happened_at=greeting.happened_at,
        queued_at=now,
        finished_at=None if outcome == Outcome.WAITING else now,
    )
    if not _write_once(row) or outcome != Outcome.WAITING:
        return False
    _enqueue(row, welcome, now)
    return True


def _drawn(welcome: Welcome | None, greeting: Greeting) -> TrialArm | None:
    """The arm of a new relation, where the words are being tried."""
    if welcome is None or welcome.trial is None or welcome.trial.ended_at:
        return None
    arms = list(welcome.trial.arms.all())
    return arm_for(welcome.trial, arms, f"{greeting.userid}:{greeting.external_userid}")


def _outcome(welcome: Welcome | None, arm: TrialArm | None) -> str:
    if welcome is None:
        return Outcome.NO_RULE
    return Outcome.HELD if arm is not None and not arm.text else Outcome.WAITING


_WRITE = """
insert into crm_welcomesent (code, external_userid, userid, agent_id, state, welcome_id, arm_id,
                             outcome, rule, rule_version, is_doubted, happened_at, queued_at,
                             finished_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, false, %s, %s, %s)
on conflict (code) do nothing
returning id
"""


def _write_once(row: WelcomeSent) -> bool:
    """Insert the row of a code; False when it is there already. One statement: seconds count."""
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            [
                *(row.code, row.external_userid, row.userid, row.agent_id, row.state),
                *(row.welcome_id, row.arm_id, row.outcome, row.rule, row.rule_version),
                *(row.happened_at, row.queued_at, row.finished_at),
            ],
        )
        written = cursor.fetchone()
    row.pk = written[0] if written else None
    return written is not None


def _enqueue(row: WelcomeSent, welcome: Welcome, now: datetime) -> None:
    known = Customer.unsafe_all.filter(external_userid=row.external_userid).values_list("name")
    name = known.first()
    with override("zh-hans"):
        words = row.arm.text if row.arm else welcome.text
        text = say(words, customer=name[0] if name else "", agent=_name(row.agent))
    item = NewItem(
        kind=KIND,
        key=f"welcome:{row.pk}",
        subject=row,
        title=f"{welcome.name} · {row.agent.name if row.agent else row.userid}",
        due_at=now,
        payload={"text": text, "until": (row.happened_at + CODE_LIVES).isoformat()},
        is_urgent=True,
    )
    outbox.enqueue_many([item], by=None)  # One statement: the key is as new as the row.


def _name(agent: Agent | None) -> str:
    # Somebody whom the directory has not told of yet may stand in the house by number only.
    return "" if agent is None or agent.name == agent.userid else agent.name


def choose(agent: Agent | None, state: str, external_userid: str = "") -> Welcome | None:
    """The rule for a new friend of ``agent`` who came by ``state``.

    Those of the faces that it concerns come first, then the others; highest priority first.
    """
    rules = list(Welcome.objects.filter(is_active=True).select_related("channel", "trial"))
    if any(welcome.face_id for welcome in rules):
        rules = _with_faces(rules, greeting_faces(agent, state, external_userid))
    narrowed = [welcome for welcome in rules if not welcome.is_default]
    if narrowed:
        prefetch_related_objects(narrowed, "agents", "departments")
    for welcome in rules:
        if _applies(welcome, agent, state):
            return welcome
    return None


def _with_faces(rules: list[Welcome], faces: list[int]) -> list[Welcome]:
    """Rules of these faces in their order, then those of nobody; other faces' are left out."""
    place = {pk: n for n, pk in enumerate(faces)}
    able = [welcome for welcome in rules if welcome.face_id is None or welcome.face_id in place]
    return sorted(able, key=lambda welcome: place.get(welcome.face_id, len(place)))


def _applies(welcome: Welcome, agent: Agent | None, state: str) -> bool:
    if welcome.is_default:
        return True
    if welcome.channel is not None and welcome.channel.code != state:
        return False
    named = {one.pk for one in welcome.agents.all()}
    paths = [one.path for one in welcome.departments.all()]
    if not named and not paths:
        return True
    if agent is None:
        return False
    path = agent.department.path if agent.department else ""
    return agent.pk in named or any(path.startswith(above) for above in paths)


@dataclass(frozen=True)
class WelcomeRule:
    """A rule as a person writes it."""

    name: str
    text: str
    channel: Channel | None = None
    agents: tuple[Agent, ...] = ()
    departments: tuple[Department, ...] = ()
    face: Face | None = None
    priority: int = 0
    is_default: bool = False
    is_active: bool = True


@transaction.atomic
def save_welcome(
    rule: WelcomeRule, *, by: User | None, now: datetime, welcome: Welcome | None = None
) -> Welcome:
    """Write a new rule or change one; a new default takes the place of the old one.

    Raises BadWording. Welcomes that are queued already keep the words they were queued with.
    """
    check_wording(rule.text)
    refuse_sensitive({"text": rule.text}, BadWording)
    row = welcome or Welcome()
    if rule.is_default:
        Welcome.objects.filter(is_default=True).exclude(pk=row.pk).update(is_default=False)
    row.name, row.text = clean_text(rule.name, limit=64), clean_text(rule.text)
    row.priority, row.is_active = rule.priority, rule.is_active
    row.is_default = rule.is_default
    row.channel = None if rule.is_default else rule.channel
    row.face = None if rule.is_default else rule.face
    row.save()
    row.agents.set(() if rule.is_default else rule.agents)
    row.departments.set(() if rule.is_default else rule.departments)
    told = {"is_active": row.is_active, "is_default": row.is_default, "face": row.face_id}
    audit(by, "welcome.save", row, now=now, **told)
    return row


@transaction.atomic
def give_to_face(*, welcome: Welcome, face: Face | None, by: User, now: datetime) -> None:
    """Make the words a face's own, or nobody's; raises BadWording for the default rule.

    What is nobody's any more is switched off: without its face it would greet everybody.
    """
    row = Welcome.objects.select_for_update().get(pk=welcome.pk)
    if row.is_default:
        raise BadWording(
            _("默认欢迎语是给其余所有人的，不能归某个人设；请另写一条"), field="welcome"
        )
    before, row.face = row.face_id, face
    row.is_active = row.is_active and face is not None
    row.save(update_fields=["face", "is_active", "updated_at"])
    audit(by, "welcome.face", row, now=now, before=before, after=row.face_id)


@transaction.atomic
def try_welcome(*, welcome: Welcome, plan: TrialPlan, by: User, now: datetime) -> Trial:
    """Try other words at random against these; raises TrialRefused or BadWording."""
    row = Welcome.objects.select_for_update().get(pk=welcome.pk)
    if row.trial is not None and row.trial.ended_at is None:
        raise TrialRefused(_("这条欢迎语正在试验，请先结束"))
    for text in filter(str.strip, (*plan.variants, plan.control_text)):
        check_wording(text)
        refuse_sensitive({"text": text}, BadWording)
    row.trial = start_trial(plan=plan, by=by, now=now)
    row.save(update_fields=["trial", "updated_at"])
    return row.trial
