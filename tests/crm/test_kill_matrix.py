"""Every named point of the product, killed in at least five rounds: once, whole, and soon again."""

import os
import re

import pytest

from tests.crm.matrix.inward import ArchiveRounds, ImportRounds, InboxRounds, PostRounds, SyncRounds
from tests.crm.matrix.outward import OutwardRounds
from tests.sandbox_fixture import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
ROUNDS = int(os.environ.get("CHANGKE_MATRIX_ROUNDS", "5"))

OUTWARD = [
    "outbox.claimed",
    "outbox.before_calling",
    "outbox.before_call",
    "outbox.after_call",
    "outbox.before_settled",
    "outbox.after_commit",
    "outbox.before_look",
    "outbox.before_conclusion",
    "outbox.after_conclusion",
    "moments.after_upload",
    "moments.asked",
]
WEB = ["callbacks.before_kept", "callbacks.kept"]
INBOX = ["callbacks.claimed", "callbacks.greeted", "callbacks.looked", "callbacks.before_settled"]
ARCHIVE = ["archive.before_rows", "archive.between", "archive.after_commit", "archive.media_slice"]
SYNC = ["sync.before_landed", "sync.landed", "sync.applied", "sync.before_done"]
IMPORT = ["imports.reading", "ingest.staged", "ingest.written", "jobs.claimed", "jobs.before_end"]


def play(rounds, point: str, record_property, least: int = 0) -> None:
    """All rounds of a point, in one world; the slowest recovery is told at the end of the run."""
    count = max(ROUNDS, least)
    slowest = max(rounds.play(point, number) for number in range(count))
    record_property("killed", [point, count, slowest])


@pytest.mark.parametrize("point", OUTWARD)
def test_what_goes_out_goes_out_once(point, nursery, sandbox, settings, record_property):
    rounds = OutwardRounds(nursery, sandbox, settings)
    play(rounds, point, record_property, rounds.least())


@pytest.mark.parametrize("point", WEB)
def test_what_was_answered_with_200_is_kept_once(
    point, nursery, wecom_sandbox, tmp_path, record_property
):
    play(PostRounds(nursery, wecom_sandbox, tmp_path), point, record_property)


@pytest.mark.parametrize("point", INBOX)
def test_what_was_kept_acts_once(point, nursery, wecom_sandbox, record_property):
    play(InboxRounds(nursery, wecom_sandbox), point, record_property)


@pytest.mark.parametrize("point", ARCHIVE)
def test_what_was_said_is_archived_once(point, nursery, archive, settings, record_property):
    play(ArchiveRounds(nursery, archive, settings), point, record_property)


@pytest.mark.parametrize("point", SYNC)
def test_a_sync_goes_on_where_it_was(point, nursery, wecom_sandbox, record_property):
    play(SyncRounds(nursery, wecom_sandbox), point, record_property)


@pytest.mark.parametrize("point", IMPORT)
def test_a_file_is_taken_in_whole_or_not_at_all(point, nursery, tmp_path, record_property):
    play(ImportRounds(nursery, tmp_path), point, record_property)


def test_no_point_of_the_product_is_left_out():
    named = set()
    for path in [*(ROOT / "crm").rglob("*.py"), *(ROOT / "analytics").rglob("*.py")]:
        named |= set(re.findall(r"faults\.point\(\"([\w.]+)\"\)", path.read_text()))
    assert named == {*OUTWARD, *WEB, *INBOX, *ARCHIVE, *SYNC, *IMPORT}
    assert ROUNDS >= 5
