"""Who may do what to which moment, asked in one place."""

from crm.agents.access import Permission
from crm.agents.models import Agent, User
from crm.moments.models import Moment, MomentTask

State = Moment.State
EDITABLE = (State.DRAFT, State.WAITING, State.APPROVED, State.FAILED)
CANCELLABLE = (State.DRAFT, State.WAITING, State.APPROVED, State.CREATED, State.PUBLISHING)


def can_edit_moment(user: User, moment: Moment) -> bool:
    """Whoever schedules may edit what WeCom does not have yet."""
    return user.can(Permission.MOMENT_SCHEDULE) and moment.state in EDITABLE


def can_cancel_moment(user: User, moment: Moment) -> bool:
    """Cancelling stops the agents who have not published; what is published stays."""
    return user.can(Permission.MOMENT_SCHEDULE) and moment.state in CANCELLABLE


def is_author(user: User, moment: Moment) -> bool:
    """Whether the user had a hand in what is to be approved."""
    return user.pk in (moment.created_by_id, moment.updated_by_id, moment.submitted_by_id)


def sees_every_sender(user: User, moment: Moment) -> bool:
    """Nobody approves for agents who are not theirs."""
    seen = Agent.objects.for_user(user)
    return not MomentTask.unsafe_all.filter(moment=moment).exclude(agent__in=seen).exists()


def can_approve_moment(user: User, moment: Moment) -> bool:
    """Another person than the author, for agents within their scope."""
    return (
        user.can(Permission.MOMENT_APPROVE)
        and moment.state == State.WAITING
        and not is_author(user, moment)
        and sees_every_sender(user, moment)
    )


def can_remind(user: User, moment: Moment) -> bool:
    """Reminding agents who have not published is part of scheduling."""
    return user.can(Permission.MOMENT_SCHEDULE) and moment.state in Moment.FOLLOWED
