"""The vendor's interface through ctypes, against a library of ours with the same functions.

After each test the fixture sees that every slice, medium and session was given back.
"""

import hashlib
import json
import random
from pathlib import Path

import pytest
from django.utils import timezone

from crm.archive.actions import pull_archive, pull_everything
from crm.archive.media import media_path
from crm.archive.models import ArchivedMedia, ArchivedMessage, ArchiveProgress
from crm.wecom.archive_errors import NotOpened
from crm.wecom.archive_native import NativeSource
from crm.wecom.archive_sources import open_archive
from crm.wecom.errors import Misconfigured, NoLibrary, NoPrivateKey, Refused, RetryLater
from tests.crm.archive_library import build

PIECE = 512 * 1024
# The documented codes: who has to do something about them.
CODES = {
    10000: Refused,
    10001: RetryLater,
    10002: RetryLater,
    10003: RetryLater,
    10004: Misconfigured,
    10005: Refused,
    10006: NotOpened,
    10007: Misconfigured,
    10008: NotOpened,
    10009: Misconfigured,
    10010: Refused,
    10011: Misconfigured,
}


def wire(number: int, **more) -> dict:
    return {
        "msgid": f"{number}_1735693500_external",
        "action": "send",
        "from": "wmCKdemo0001",
        "tolist": ["li.ting"],
        "roomid": "",
        "msgtime": int(timezone.now().timestamp() * 1000),
        "msgtype": "text",
        "text": {"content": f"第 {number} 句\x00，还有房吗？"},
    } | more


def video(number: int, file_id: str, content: bytes) -> dict:
    body = {
        "sdkfileid": file_id,
        "filesize": len(content),
        "md5sum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
    return wire(number, msgtype="video", video=body)


def noise(length: int) -> bytes:
    """Bytes with zeros among them, and at the edge of a slice."""
    made = bytearray(random.Random(length).randbytes(length))
    made[PIECE - 1 : PIECE + 2] = b"\0\0\0"
    return bytes(made)


def test_messages_come_through_the_library_and_read_as_they_were_said(shelf):
    said = [wire(number) for number in range(1, 6)]
    for seq, message in zip((3, 4, 9, 10, 2**40), said, strict=True):
        shelf.say(message, seq=seq)
    with open_archive() as archive:
        first = archive.after(0, 3)
        rest = archive.after(first[-1].seq, 1000)
        assert [sealed.seq for sealed in first + rest] == [3, 4, 9, 10, 2**40]
        assert archive.after(2**40, 1000) == []
        assert [json.loads(archive.open(sealed)) for sealed in first + rest] == said


@pytest.mark.parametrize("code", CODES)
def test_each_return_code_is_an_error_of_its_kind_wherever_it_comes_from(shelf, code):
    shelf.lock("{}", seq=1, msgid="1", text_key=f"fail:{code}")
    with open_archive() as archive:
        (sealed,) = archive.after(0, 10)
        for function, call in {
            "GetChatData": lambda: archive.after(0, 10),
            "GetMediaData": lambda: archive.media("a", ""),
            "DecryptData": lambda: archive.open(sealed),
        }.items():
            shelf.fail(function, code)
            with pytest.raises(CODES[code]) as caught:
                call()
            assert (caught.value.code, caught.value.method) == (code, function)
            assert str(caught.value)
    shelf.fail("Init", code)
    with pytest.raises(CODES[code]):
        open_archive()


def test_a_wrong_secret_ends_the_session_that_was_begun(shelf, settings):
    settings.WECOM_ARCHIVE_SECRET = "another"
    with pytest.raises(Refused) as caught:
        open_archive()
    assert caught.value.code == 10000


@pytest.mark.parametrize(
    "answer", ["", "nonsense", "[]", '{"chatdata": []}', '{"errcode": 0, "chatdata": [{}]}']
)
def test_an_answer_in_no_known_shape_is_asked_for_again(shelf, answer):
    shelf.write("answer", answer)
    with open_archive() as archive, pytest.raises(RetryLater) as caught:
        archive.after(0, 10)
    assert caught.value.code == 10002


@pytest.mark.parametrize(
    ("code", "kind"), [(301052, Misconfigured), (301053, Misconfigured), (45009, RetryLater)]
)
def test_an_errcode_inside_the_json_is_told_apart_from_the_return_code(shelf, code, kind):
    shelf.write("answer", json.dumps({"errcode": code, "errmsg": "no"}))
    with open_archive() as archive, pytest.raises(kind) as caught:
        archive.after(0, 10)
    assert caught.value.code == code


def test_a_library_that_lacks_a_function_is_refused_by_its_name(tmp_path):
    library = build(tmp_path, "-DIsMediaDataFinish=IsFinished")
    with pytest.raises(NoLibrary, match="IsMediaDataFinish"):
        NativeSource(str(library), "corp", "secret")


def test_no_library_at_the_path_is_a_mistake_of_the_settings(tmp_path):
    with pytest.raises(NoLibrary, match="WECOM_ARCHIVE_LIBRARY"):
        NativeSource(str(tmp_path / "missing.so"), "corp", "secret")


@pytest.mark.parametrize("length", [0, 1, PIECE, PIECE + 1, 2 * PIECE + 300_001])
def test_a_file_is_joined_from_slices_whatever_bytes_it_holds(shelf, length):
    content = noise(length)[:length]
    shelf.put_file("film", content)
    parts, index, ended = [], "", False
    with open_archive() as archive:
        while not ended:
            chunk = archive.media("film", index)
            parts.append(chunk.data)
            index, ended = chunk.next_index, chunk.is_last
    assert b"".join(parts) == content
    assert {len(part) for part in parts[:-1]} <= {PIECE}
    assert len(parts) == max(1, -(-length // PIECE))


@pytest.mark.django_db
def test_a_pull_through_the_library_keeps_messages_and_their_files(shelf):
    content = noise(PIECE + 77)
    shelf.put_file("film", content)
    shelf.say(wire(1), seq=5)
    shelf.say(video(2, "film", content), seq=8)
    pulled = pull_everything(to_the_end=True)
    assert (pulled.error, pulled.messages, pulled.files, pulled.facts) == ("", 2, 1, 2)
    assert ArchivedMessage.unsafe_all.get(seq=5).text == "第 1 句，还有房吗？"
    media = ArchivedMedia.objects.get()
    assert media.state == media.State.DONE
    assert media_path(media).read_bytes() == content
    assert ArchiveProgress.objects.get().seq == 8


@pytest.mark.django_db
def test_the_limit_is_halved_until_the_library_takes_it(shelf):
    for number in range(1, 31):
        shelf.say(wire(number), seq=number)
    shelf.write("most", "15")
    pulled = pull_archive(limit=1000)
    assert (pulled.error, pulled.messages) == ("", 30)


@pytest.mark.django_db
def test_a_message_of_a_newer_key_waits_while_the_others_come_in(shelf, settings, key_pairs):
    shelf.say(wire(1), seq=1)
    shelf.say(wire(2), seq=2, version=2)
    shelf.say(wire(3), seq=3)
    pulled = pull_archive()
    assert (pulled.error, pulled.messages, pulled.sealed) == ("", 3, 1)
    (Path(settings.WECOM_ARCHIVE_KEYS) / "2.pem").write_text(key_pairs[2][1])
    assert pull_archive().reopened == 1
    assert not ArchivedMessage.unsafe_all.filter(sealed__isnull=False).exists()


def test_a_key_file_that_is_no_key_is_named(shelf, settings):
    (Path(settings.WECOM_ARCHIVE_KEYS) / "2.pem").write_text("nonsense")
    shelf.say(wire(1), seq=1, version=2)
    with open_archive() as archive:
        (sealed,) = archive.after(0, 10)
        with pytest.raises(NoPrivateKey, match="2"):
            archive.open(sealed)


@pytest.mark.django_db
def test_a_damaged_message_is_kept_sealed_and_holds_nothing_up(shelf):
    shelf.lock("{}", seq=1, msgid="a", text_key="fail:10006")
    shelf.lock("no JSON", seq=2, msgid="b")
    shelf.say(wire(3), seq=3)
    pulled = pull_archive()
    assert (pulled.error, pulled.messages, pulled.sealed, pulled.seq) == ("", 3, 2, 3)
    problems = dict(ArchivedMessage.unsafe_all.values_list("msgid", "problem"))
    assert (problems["a"], problems["b"]) == ("10006", "archive_no_json")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "state"), [(10010, "expired"), (10005, "failed"), (10001, "waiting")]
)
def test_a_file_that_cannot_be_had_says_why_and_its_message_stays(shelf, code, state):
    shelf.put_file("film", b"film")
    shelf.say(video(1, "film", b"film"), seq=1)
    shelf.fail("GetMediaData", code)
    assert pull_everything().error == ""
    media = ArchivedMedia.objects.get()
    assert (media.state, media.problem) == (state, str(code))
    assert ArchivedMessage.unsafe_all.count() == 1
