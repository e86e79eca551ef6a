"""What tests of WeCom share: settings that point at the sandbox, and callbacks made by hand."""

import time
from typing import Any
from urllib.parse import urlencode

import pytest

from crm.callbacks import actions
from crm.customers.models import Contact, Customer
from crm.groups.models import Membership
from crm.timeline.models import Fact
from crm.wecom.crypto import MessageCrypt
from tests.sandbox_fixture import SandboxProcess

CORP = SandboxProcess.corp_id
CRYPT = MessageCrypt(
    token=SandboxProcess.token, aes_key=SandboxProcess.aes_key, receive_id=SandboxProcess.corp_id
)
URL = "/wecom/callback/"
# The objects of which callbacks tell; posts and statistics are only listed.
PEOPLE = ("departments", "members", "tags", "customers", "groups")


@pytest.fixture
def callback_settings(settings):
    """Token and key of the sandbox's callback configuration."""
    settings.WECOM_CORP_ID = SandboxProcess.corp_id
    settings.WECOM_CALLBACK_TOKEN = SandboxProcess.token
    settings.WECOM_CALLBACK_AES_KEY = SandboxProcess.aes_key
    return settings


@pytest.fixture
def wecom_sandbox(sandbox, callback_settings):
    """The sandbox, with the product pointed at it."""
    callback_settings.WECOM_BASE_URL = sandbox.url
    callback_settings.WECOM_SECRET = sandbox.secret
    callback_settings.WECOM_ARCHIVE_SECRET = sandbox.archive_secret
    callback_settings.WECOM_AGENT_ID = sandbox.agent_id
    return sandbox


def event_xml(**fields: Any) -> str:
    """The plaintext of an event."""
    fields = {"ToUserName": CORP, "FromUserName": "sys", "CreateTime": int(time.time())} | fields
    return (
        "<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + "</xml>"
    )


def envelope(
    message: str | bytes, *, crypt: MessageCrypt = CRYPT, at: int | None = None, nonce: str = "n1"
) -> tuple[dict[str, str], bytes]:
    """Query and body as WeCom posts them."""
    plain = message.encode() if isinstance(message, str) else message
    encrypted = crypt.encrypt(plain)
    timestamp = str(int(time.time()) if at is None else at)
    signature = crypt.signature(timestamp=timestamp, nonce=nonce, encrypted=encrypted)
    query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}
    body = f"<xml><ToUserName>{CORP}</ToUserName><Encrypt>{encrypted}</Encrypt></xml>"
    return query, body.encode()


def post(client, query: dict[str, str], body: bytes, **headers: str):
    """Post as WeCom does."""
    url = f"{URL}?{urlencode(query, errors='surrogatepass')}"
    return client.post(url, body, content_type="text/xml", **headers)


def deliver(client, *messages: str) -> None:
    """Send these plaintexts as callbacks; every one must be taken."""
    for message in messages:
        assert post(client, *envelope(message)).status_code == 200


def told(sandbox: SandboxProcess) -> list[str]:
    """The plaintexts of what the sandbox has told so far, oldest first."""
    return [row["xml"] for row in reversed(sandbox.read("callbacks"))]


def take(client, *messages: str) -> None:
    """Deliver and work off."""
    deliver(client, *messages)
    actions.work_inbox()


def present() -> dict[str, Any]:
    """The present that callbacks and syncs build up, in terms of WeCom's ids."""
    contacts = Contact.unsafe_all.select_related("customer", "agent").prefetch_related("tags")
    return {
        "contacts": sorted(
            (
                *(contact.customer.external_userid, contact.agent.userid, contact.status),
                *(contact.added_at, contact.ended_at, contact.remark),
                tuple(sorted(tag.wecom_id for tag in contact.tags.all())),
            )
            for contact in contacts
        ),
        "stays": sorted(
            (stay.group.chat_id, stay.userid, stay.joined_at, str(stay.left_at))
            for stay in Membership.unsafe_all.select_related("group")
        ),
        "customers": sorted(
            Customer.unsafe_all.values_list(
                "external_userid", "name", "is_friend", "friend_since", "group_count"
            )
        ),
    }


def story() -> list[tuple]:
    """All facts but those of tags, whose time is when somebody noticed."""
    facts = Fact.unsafe_all.exclude(kind__code__startswith="tag_").select_related(
        "kind", "customer", "agent", "group"
    )
    return sorted(
        (
            fact.kind.code,
            fact.customer.external_userid,
            fact.agent.userid if fact.agent else "",
            fact.group.chat_id if fact.group else "",
            fact.at,
        )
        for fact in facts
    )
