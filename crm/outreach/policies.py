"""Who may do what to which mass send, asked in one place."""

from crm.agents.access import Permission
from crm.agents.models import Agent, User
from crm.outreach.models import MassBatch, MassSend

State = MassSend.State
EDITABLE = (State.DRAFT, State.WAITING, State.APPROVED)
STOPPABLE = (State.DRAFT, State.WAITING, State.APPROVED, State.SENDING, State.SENT)


def can_edit_send(user: User, send: MassSend) -> bool:
    """Whoever plans may edit what has not begun."""
    return user.can(Permission.SEND_PLAN) and send.state in EDITABLE


def can_stop_send(user: User, send: MassSend) -> bool:
    """Stopping keeps back what has not gone out, and agents who have not pressed send."""
    return user.can(Permission.SEND_PLAN) and send.state in STOPPABLE


def is_author(user: User, send: MassSend) -> bool:
    """Whether the user had a hand in what is to be approved."""
    return user.pk in (send.created_by_id, send.updated_by_id, send.submitted_by_id)


def sees_every_sender(user: User, send: MassSend) -> bool:
    """Nobody approves for agents who are not theirs."""
    seen = Agent.objects.for_user(user)
    return not MassBatch.unsafe_all.filter(send=send).exclude(agent__in=seen).exists()


def can_approve_send(user: User, send: MassSend) -> bool:
    """Another person than the author, for agents within their scope."""
    return (
        user.can(Permission.SEND_APPROVE)
        and send.state == State.WAITING
        and not is_author(user, send)
        and sees_every_sender(user, send)
    )


def can_remind(user: User, send: MassSend) -> bool:
    """Reminding agents who have not pressed send is part of planning."""
    return user.can(Permission.SEND_PLAN) and send.state in MassSend.HANDED_OVER
