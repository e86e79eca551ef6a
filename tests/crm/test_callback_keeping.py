"""Group commit of callbacks: every answer after its own commit, nobody pays for a neighbour."""

import hashlib
import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from crm.callbacks import keeping
from crm.callbacks.keeping import GroupCommit, NotKept
from crm.callbacks.models import InboxEvent
from crm.callbacks.receiving import Message
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def message(name: str) -> Message:
    text = f"<xml><Event>added</Event><Name>{name}</Name></xml>"
    digest = hashlib.sha256(text.encode()).digest()
    return Message(text, digest, timezone.now(), {"Event": "added", "ChangeType": "friend"})


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run all in threads of their own; what each returned or raised, in order."""
    start, told = threading.Barrier(len(acts)), [None] * len(acts)

    def run(number: int) -> None:
        start.wait()
        try:
            told[number] = acts[number]()
        except Exception as error:
            told[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def keep_all(commits: GroupCommit, *names: str) -> list[object]:
    return at_once(
        *(lambda name=name: commits.keep(message(name), now=timezone.now()) for name in names)
    )


@pytest.fixture
def groups(monkeypatch) -> list[int]:
    """The sizes of the groups that were committed."""
    sizes, write = [], keeping.write_group

    def counted(group):
        sizes.append(len(group))
        write(group)

    monkeypatch.setattr(keeping, "write_group", counted)
    return sizes


@pytest.fixture
def held(db):
    """A table that nobody can write to while the block lasts, so that requests pile up."""

    class Held:
        def __enter__(self):
            self.lock = connection.copy()
            self.lock.inc_thread_sharing()  # Let go of by a timer.
            self.lock.set_autocommit(False)
            self.lock.cursor().execute("lock table crm_inboxevent in share mode")

        def waiting(self) -> int:
            """How many writers wait for the table."""
            with self.lock.cursor() as cursor:
                cursor.execute(
                    "select count(*) from pg_locks where not granted"
                    " and relation = 'crm_inboxevent'::regclass and database = "
                    "(select oid from pg_database where datname = current_database())"
                )
                return cursor.fetchone()[0]

        def __exit__(self, *_error):
            self.lock.rollback()
            self.lock.close()

    return Held()


def test_what_arrives_together_is_committed_together_and_each_once(groups, held):
    commits, names = GroupCommit(), [f"n{number % 12}" for number in range(20)]
    with held:
        release = threading.Timer(0.3, held.lock.rollback)
        release.start()
        told = keep_all(commits, *names)
        release.join()
    assert sum(groups) == 20
    assert len(groups) < 20
    assert sorted(told) == [False] * 8 + [True] * 12
    assert InboxEvent.objects.count() == 12


def test_a_message_that_cannot_be_written_costs_its_neighbours_nothing(held):
    commits = GroupCommit()
    names = ["a", "b\x00", "c", "d"]  # PostgreSQL takes no NUL.
    with held:
        release = threading.Timer(0.3, held.lock.rollback)
        release.start()
        told = keep_all(commits, *names)
        release.join()
    assert [type(one) for one in told] == [bool, NotKept, bool, bool]
    assert InboxEvent.objects.count() == 3


def test_who_waits_too_long_is_told_to_come_again(held, monkeypatch):
    monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 0.1)
    commits = GroupCommit()
    with held:
        release = threading.Timer(0.5, held.lock.rollback)
        release.start()
        told = keep_all(commits, "a", "b", "c")
        release.join()
    assert sorted(str(type(one).__name__) for one in told) == ["NotKept", "NotKept", "bool"]
    assert keep_all(commits, "a", "b", "c").count(True) == 2


def test_a_lost_database_tells_everybody_of_the_group_and_the_next_one_works(monkeypatch):
    def away(_group):
        raise OperationalError("the server closed the connection")

    commits = GroupCommit()
    with monkeypatch.context() as patched:
        patched.setattr(keeping, "write_group", away)
        assert {type(one) for one in keep_all(commits, "a", "b", "c")} == {NotKept}
    assert keep_all(commits, "a", "b", "c") == [True, True, True]


def deadlocks(held, rounds: int) -> int:
    """Two processes get the same messages in opposite orders; how often they got stuck."""

    def let_go() -> None:
        """Both wait for the table before either may write: they really run side by side."""
        with held:
            both.wait()
            eventually(lambda: held.waiting() == 2)

    stuck = 0
    for number in range(rounds):
        arrivals = [
            keeping.Arrival(message(f"{number}-{name}"), timezone.now()) for name in range(400)
        ]
        twins = [keeping.Arrival(one.message, one.at) for one in reversed(arrivals)]
        both = threading.Barrier(3)

        def write(group, both=both) -> None:
            both.wait()
            keeping.write_group(group)

        told = at_once(
            lambda group=arrivals: write(group), lambda group=twins: write(group), let_go
        )
        stuck += sum(isinstance(one, OperationalError) for one in told)
    return stuck


def test_two_processes_with_the_same_messages_never_wait_in_a_ring(held):
    assert deadlocks(held, 6) == 0
    assert InboxEvent.objects.count() == 6 * 400


def test_without_the_common_order_they_do(held, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "callbacks.group_order")
    assert deadlocks(held, 6) > 0
