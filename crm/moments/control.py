"""The control of a post: people of its audience who are kept out of the tag that shows it.

WeCom narrows a post by tags, so it needs exactly one, which is kept in step with an audience. The
draw is made when the post is approved, before the first call; the post is not created while one of
the control still carries the tag. Afterwards they stay out until the days of observation are over.
"""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.customers.models import Contact
from crm.moments.content import MomentRejected
from crm.moments.models import Moment, MomentTask
from crm.tagging.audience_tags import start_keeping
from crm.tagging.models import AudienceTag
from crm.trials.drawing import draw, new_salt, undraw
from crm.trials.models import CONTROL, Assignment, Trial

HELD = timedelta(days=7)
"""How long the control stays out after the hour of the post."""


def audience_tag(moment: Moment) -> AudienceTag | None:
    """The tag kept in step with an audience that alone narrows the post; None otherwise."""
    tags = list(moment.tags.values_list("pk", flat=True)[:2])
    if len(tags) != 1:
        return None
    rows = AudienceTag.unsafe_all.select_related("audience", "tag")
    return rows.filter(tag=tags[0], tag__is_deleted=False).first()


def refuse_unfit_control(moment: Moment) -> None:
    """Raise MomentRejected where a control is wanted and nobody could be kept out."""
    if moment.control_percent and audience_tag(moment) is None:
        raise MomentRejected(
            _(
                "要留对照组，请只选一个人群标签（标签组“人群”里的，在人群页建立）：企业微信只按标签"
                "决定谁可见；不留对照组请填 0"
            ),
            field="control_percent",
        )


def draw_control(moment: Moment, *, by: User, now: datetime) -> None:
    """Draw the control of an approved post and take the tag off it."""
    if not moment.control_percent:
        return
    refuse_unfit_control(moment)
    row = audience_tag(moment)
    trial = moment.trial or Trial(salt=new_salt(), created_by=by)
    trial.audience, trial.control_percent = row.audience, moment.control_percent
    trial.save()
    moment.trial = trial
    agents = MomentTask.unsafe_all.filter(moment=moment).values_list("agent_id", flat=True)
    draw(trial=trial, agent_ids=agents, holds_until=moment.publish_at + HELD, by=by, now=now)
    trial.refresh_from_db()
    start_keeping(row=row, by=by)


def move_control(moment: Moment) -> None:
    """Another hour: the control stays out as long after it."""
    if moment.trial_id and moment.trial.drawn_at:
        Trial.unsafe_all.filter(pk=moment.trial_id).update(holds_until=moment.publish_at + HELD)


def release_control(moment: Moment, *, by: User | None) -> None:
    """Nobody was touched and nobody will be: the draw is forgotten, the tag comes back."""
    if moment.trial_id is None or moment.trial.drawn_at is None:
        return
    audience = moment.trial.audience_id
    undraw(trial=moment.trial)
    if row := AudienceTag.unsafe_all.filter(audience=audience, tag__is_deleted=False).first():
        start_keeping(row=row, by=by)


def still_tagged(moment: Moment) -> int:
    """How many relations of the control still carry the tag, as far as WeCom has told."""
    if moment.trial_id is None:
        return 0
    held = Assignment.unsafe_all.filter(trial=moment.trial_id, arm=CONTROL).values("customer_id")
    carrying = Contact.unsafe_all.current().filter(
        customer__in=held, tags__in=moment.tags.values("pk")
    )
    return carrying.count()
