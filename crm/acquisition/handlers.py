"""How the outbox sends a welcome, and what it makes of WeCom's answers."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import wecom
from crm.acquisition.actions import KIND
from crm.acquisition.models import WelcomeSent
from crm.outbox.models import OutboxItem
from crm.outbox.registry import (
    Done,
    Finding,
    Handler,
    NotNeeded,
    Refusal,
    Repeatable,
    Unknowable,
    register,
    register_scope,
)
from crm.wecom import Refused, RetryLater

Outcome = WelcomeSent.Outcome
CODE_GONE, GREETED_ELSEWHERE, BEING_SENT = 41050, 41051, 41096
BEING_SENT_WAIT = 1
_OUTCOMES = {"late": Outcome.LATE, "used": Outcome.USED, "unknown": Outcome.UNKNOWN}


def _until(item: OutboxItem) -> datetime:
    return datetime.fromisoformat(item.payload["until"])


def check(item: OutboxItem, now: datetime) -> Refusal | None:
    """A code that has run out is not tried any more."""
    if now < _until(item):
        return None
    if WelcomeSent.unsafe_all.get(pk=item.subject_id).is_doubted:
        return Refusal("unknown", _("没有收到答复，欢迎码已过期，是否送达无从查证"))
    return Refusal("late", _("欢迎码只有 20 秒，已过时效"))


def send(item: OutboxItem) -> Done:
    """The call itself."""
    sent = WelcomeSent.unsafe_all.get(pk=item.subject_id)
    try:
        wecom.client().send_welcome(code=sent.code, text=item.payload["text"])
    except RetryLater as busy:
        if busy.code != BEING_SENT:
            raise
        raise RetryLater(str(busy), code=busy.code, retry_after=BEING_SENT_WAIT) from busy
    except Refused as refused:
        return _after_refusal(item, sent, refused)
    return Done()


def _after_refusal(item: OutboxItem, sent: WelcomeSent, refused: Refused) -> Done:
    """A code that is used up proves that the call whose answer never came was carried out."""
    if refused.code == GREETED_ELSEWHERE:
        if sent.is_doubted:
            return Done(result={"proof": refused.code})
        raise NotNeeded("used", _("客户已由别处欢迎，没有重复发送"))
    if refused.code == CODE_GONE:
        if not sent.is_doubted:
            raise NotNeeded("late", _("欢迎码只有 20 秒，已过时效"))
        if timezone.now() < _until(item):
            return Done(result={"proof": refused.code})
        raise NotNeeded("unknown", _("没有收到答复，欢迎码已过期，是否送达无从查证"))
    raise refused


def reconcile(item: OutboxItem, now: datetime) -> Finding:
    """While the code lives, saying it again is harmless and its answer tells."""
    if now < _until(item):
        return Repeatable(_("欢迎码只能用一次，重发不会重复送达"))
    return Unknowable(_("没有收到答复，欢迎码已过期，是否送达无从查证"))


def changed(item: OutboxItem, now: datetime) -> None:
    """The row of the code follows its item."""
    if not (item.is_final or item.state in (OutboxItem.State.UNCERTAIN, OutboxItem.State.PARKED)):
        return
    sent = WelcomeSent.unsafe_all.select_for_update().get(pk=item.subject_id)
    state = OutboxItem.State
    if item.state == state.UNCERTAIN:
        sent.is_doubted = True
    elif item.state == state.DONE:
        sent.outcome, sent.finished_at = Outcome.SENT, now
    elif item.state in (state.SKIPPED, state.FAILED, state.PARKED):
        sent.outcome = _OUTCOMES.get(item.reason_code, Outcome.FAILED)
        sent.finished_at = now
    sent.save(update_fields=["is_doubted", "outcome", "finished_at"])


register_scope("welcomesent", lambda user: WelcomeSent.objects.for_user(user))
register(
    Handler(
        kind=KIND,
        label=gettext_lazy("欢迎语"),
        check=check,
        call=send,
        reconcile=reconcile,
        changed=changed,
        first_look=timedelta(seconds=1),
        disturbs=False,
    )
)
