"""What events about the company itself mean: its directory, its archive, its acquisition links."""

from datetime import datetime

from crm import wecom
from crm.agents import actions as agents
from crm.archive.consent import note_approval
from crm.callbacks.handlers import Change, look_up, on_contact_ended, on_contact_seen
from crm.callbacks.receiving import Message
from crm.customers import actions as customers
from crm.customers.models import Contact
from crm.handover.following import look_soon
from crm.wecom.records import Wire

NO_SUCH_MEMBER = {60111}
KEY_IS_STALE = {40058}


def on_archive_approved(message: Message, asked_at: datetime) -> Change | None:
    """``msg_audit_approved``: the customer agreed to the chat archive for this agent."""
    external_userid, userid = message.fields["ExternalUserID"], message.fields["UserID"]

    def change(now: datetime) -> None:
        note_approval(
            external_userid=external_userid, userid=userid, at=message.happened_at, now=now
        )

    return change


def on_member_changed(message: Message, asked_at: datetime) -> Change | None:
    """``create_user``, ``update_user``, ``delete_user``: the directory says what is so now.

    Newer addresses are told the number only, so the member is asked about in every case.
    """
    userid = message.fields["UserID"]
    present = message.fields.get("NewUserID") or userid
    member = _member(present)

    def change(now: datetime) -> None:
        if present != userid:
            agents.rename_agent(userid=userid, new_userid=present, now=now)
        if member is not None:
            agents.apply_agent(member, now=now)
        else:
            agents.retire_agent(userid=present, at=message.happened_at, now=now)

    return change


def _member(userid: str) -> Wire | None:
    """What the directory says, or None when it has nobody of that number (any more)."""
    try:
        return wecom.client().member(userid)
    except wecom.Refused as refusal:
        if refusal.code not in NO_SUCH_MEMBER:
            raise
        return None


def on_departments_changed(message: Message, asked_at: datetime) -> Change | None:
    """``create_party``, ``update_party``, ``delete_party``: the tree comes whole, so read it so."""
    tree = wecom.client().departments()
    if not tree:
        return None  # An empty tree means that we may see nothing, not that nothing is there.

    def change(now: datetime) -> None:
        agents.apply_departments(tree, now=now)

    return change


def on_link_messages(message: Message, asked_at: datetime) -> Change | None:
    """``message_from_customer``: its third, fifth or tenth message; a key says whose.

    The key lives for half an hour; after that nobody can tell whom the event speaks of.
    """
    try:
        chat = wecom.client().link_chat(message.fields["ChatKey"])
    except wecom.Refused as refusal:
        if refusal.code not in KEY_IS_STALE:
            raise
        return lambda _now: "stale_key"
    looked = look_up(chat.external_userid, chat.userid, asked_at)

    def change(now: datetime) -> None:
        looked.apply(now, message.happened_at)
        customers.note_message_received(
            external_userid=chat.external_userid,
            userid=chat.userid,
            at=message.happened_at,
            now=now,
        )

    return change


def on_link_friend_lost(message: Message, asked_at: datetime) -> Change | None:
    """``customer_acquisition`` / ``del_follow_user``, told beside the event of the contact."""
    if not {"UserID", "ExternalUserID"} <= message.fields.keys():
        return None
    return on_contact_ended(Contact.Status.DELETED_BY_CUSTOMER)(message, asked_at)


def on_transfer_failed(message: Message, asked_at: datetime) -> Change | None:
    """``transfer_fail``: the customer refused, or the receiver is full.

    The state of the relations is what counts; the transfer itself asks WeCom for its outcome.
    """
    seen = on_contact_seen(message, asked_at)

    def change(now: datetime) -> str | None:
        look_soon(message.fields["ExternalUserID"], now=now)
        return seen(now) if seen else None

    return change
