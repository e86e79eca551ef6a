"""What tests of the archive share: the sandbox as its source, and a pair of people in it."""

from datetime import datetime
from typing import Any

import pytest

from crm.archive import actions
from crm.archive.models import ArchivedMessage
from crm.shared.times import from_unix
from tests.crm.sandbox_calls import a_pair


@pytest.fixture
def archive(wecom_sandbox, callback_settings, tmp_path):
    """The sandbox, with the product's archive pointed at it."""
    callback_settings.WECOM_ARCHIVE = "sandbox"
    callback_settings.WECOM_ARCHIVE_SECRET = wecom_sandbox.archive_secret
    callback_settings.WECOM_ARCHIVE_KEYS = str(tmp_path / "keys")
    callback_settings.MEDIA_ROOT = str(tmp_path / "media")
    return wecom_sandbox


@pytest.fixture
def pair(archive) -> dict[str, str]:
    """A customer and a member who are friends."""
    token = archive.access_token()
    agents = archive.get("externalcontact/get_follow_user_list", access_token=token)["follow_user"]
    userid, external_userid = a_pair(archive, token, agents)
    return {"userid": userid, "external_userid": external_userid}


def plain(sandbox) -> dict[str, dict[str, Any]]:
    """Everything that was ever archived, by msgid, as it was said."""
    return {row["message"]["msgid"]: row["message"] for row in sandbox.read("archive/plain")}


def world_clock(sandbox):
    """The sandbox's clock."""

    def now() -> datetime:
        return from_unix(sandbox.read("state")["clock"]["now"])

    return now


def pull(**given: Any) -> actions.Pulled:
    pulled = actions.pull_archive(**given)
    assert pulled.error == ""
    return pulled


def stored() -> dict[str, dict[str, Any]]:
    """Contents by msgid as we kept them."""
    return dict(ArchivedMessage.unsafe_all.values_list("msgid", "content"))


class ListSource:
    """A source made of prepared answers, for what no real source says."""

    def __init__(self, answers: list[Any], texts: dict[str, str] | None = None) -> None:
        self.answers, self.texts, self.asked = list(answers), texts or {}, []

    def fetch(self, seq: int, limit: int) -> dict[str, Any]:
        self.asked.append((seq, limit))
        return self.answers.pop(0)

    def close(self) -> None:
        pass


def sealed(seq: int, msgid: str, version: int = 1) -> dict[str, Any]:
    """A row of ``chatdata``."""
    return {
        "seq": seq,
        "msgid": msgid,
        "publickey_ver": version,
        "encrypt_random_key": "a",
        "encrypt_chat_msg": "b",
    }
