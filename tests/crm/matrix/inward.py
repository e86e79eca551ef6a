"""Rounds in which whoever receives dies: web server, inbox, archive, sync, import, follower."""

import hashlib
import json
import random
from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from django.utils import timezone

from crm.archive.media import media_path
from crm.archive.models import ArchivedMedia, ArchivedMessage, ArchiveProgress
from crm.callbacks.models import InboxEvent
from crm.catalog.models import Order
from crm.customers.models import Contact, Customer
from crm.jobs.actions import SILENT_FOR, interrupt_silent_jobs
from crm.jobs.models import Job
from crm.sync.models import StagedPage, SyncRun
from crm.timeline.models import Fact
from tests.crm.archive_helpers import plain, stored
from tests.crm.sandbox_calls import all_pairs
from tests.crm.test_sync import same_as_wecom
from tests.crm.wecom_helpers import envelope, story
from tests.waiting import eventually

INBOX_RESUMED_WITHIN = 45  # Seconds: the promise for every queue.


class Ahead:
    """The product's clock and the sandbox's, both moved on by tests."""

    def __init__(self, sandbox) -> None:
        self.sandbox, self.seconds = sandbox, 0.0

    def __call__(self) -> datetime:
        return timezone.now() + timedelta(seconds=self.seconds)

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
        self.sandbox.control("clock", advance=seconds)


class InboxRounds:
    """People come, change and go; a worker dies over what they did."""

    def __init__(self, nursery, sandbox) -> None:
        self.nursery, self.sandbox, self.clock = nursery, sandbox, Ahead(sandbox)
        self.told, self.expected = set(), Counter()

    def play(self, point: str, number: int) -> float:
        """One round; returns how many seconds the killed row lay untouched."""
        dice = random.Random(f"{point} {number}")
        acts = self._life(dice)
        self._keep()
        self.nursery.killed("inbox", f"{point}:{dice.randint(1, acts)}", ahead=self.clock.seconds)
        held = set(InboxEvent.objects.filter(state="leased").values_list("pk", "fence"))
        assert len(held) == 1
        resumed_after = self._go_on(held)
        assert resumed_after <= INBOX_RESUMED_WITHIN
        states = set(InboxEvent.objects.values_list("state", flat=True))
        assert states <= {"done", "ignored"}
        self._same_as_the_sandbox()
        return resumed_after

    def _life(self, dice: random.Random) -> int:
        """Two or three friends come; one of them is edited, one goes. How many callbacks."""
        friends = [self.sandbox.step("add") for _n in range(dice.randint(2, 3))]
        pairs = [
            {"userid": one["UserID"], "external_userid": one["ExternalUserID"]} for one in friends
        ]
        self.clock.pass_(60)
        self.sandbox.step("edit", **pairs[0])
        self.clock.pass_(60)
        gone = dice.choice(["delete_by_customer", "delete_by_agent"])
        self.sandbox.step(gone, **pairs[-1])
        self.expected["friend_added"] += len(friends)
        self.expected["friend_deleted_by_" + gone.removeprefix("delete_by_")] += 1
        return len(friends) + 2

    def _keep(self) -> None:
        """What the sandbox has told since, as the web server keeps it."""
        told = [row["xml"] for row in reversed(self.sandbox.read("callbacks"))]
        fresh = [text for text in dict.fromkeys(told) if text not in self.told]
        self.told |= set(fresh)
        now = self.clock()
        InboxEvent.objects.bulk_create(
            InboxEvent(
                digest=hashlib.sha256(text.encode()).digest(),
                message=text,
                happened_at=now,
                received_at=now,
                next_try_at=now,
            )
            for text in fresh
        )

    def _go_on(self, held: set) -> float:
        for seconds in range(0, 300, 30):
            self.nursery.run("inbox", ahead=self.clock.seconds)
            if not held & set(InboxEvent.objects.filter(state="leased").values_list("pk", "fence")):
                return seconds
            self.clock.pass_(30)
        raise AssertionError("nobody took the row up again")

    def _same_as_the_sandbox(self) -> None:
        ours = {
            (contact.agent.userid, contact.customer.external_userid): contact.status
            for contact in Contact.unsafe_all.select_related("agent", "customer")
        }
        states = {None: "active", "": "active", "customer": "deleted_by_customer"}
        remote = {
            (row["userid"], row["external_userid"]): states.get(row["lost_by"], "deleted_by_agent")
            for row in self.sandbox.read("world")["relations"]
        }
        assert {pair: status for pair, status in ours.items() if status == "active"} == {
            pair: status for pair, status in remote.items() if pair in ours and status == "active"
        }
        facts, told = Counter(kind for kind, *_rest in story()), self.expected
        assert {kind: facts[kind] for kind in told} == dict(told)


class PostRounds:
    """WeCom posts; the web server dies before or after it has kept a message."""

    def __init__(self, nursery, sandbox, folder: Path) -> None:
        self.nursery, self.sandbox, self.folder, self.serial = nursery, sandbox, folder, count()
        self.sent: set[str] = set()

    def play(self, point: str, number: int) -> float:
        dice = random.Random(f"{point} {number}")
        self.sandbox.step("add", count=8)
        told = {row["xml"] for row in self.sandbox.read("callbacks")}
        fresh = sorted(told - self.sent)
        self.sent |= told
        order = [*fresh, *dice.sample(fresh, 2)]
        dice.shuffle(order)
        requests, answers = self._written(order), self.folder / f"answers-{next(self.serial)}"
        how = {"requests": str(requests), "answers": str(answers)}
        self.nursery.killed("post", f"{point}:{dice.randint(2, 7)}", **how)
        answered = {order[int(line)] for line in answers.read_text().split()}
        kept = set(InboxEvent.objects.values_list("message", flat=True))
        assert answered, "some were answered before it died"
        assert answered <= kept, "every 200 has its row"
        self.nursery.run("post", **how)  # Whoever got no 200 is told again; here everybody is.
        assert Counter(InboxEvent.objects.values_list("message", flat=True)) == Counter(self.sent)
        return 0

    def _written(self, order: list[str]) -> Path:
        path = self.folder / f"requests-{next(self.serial)}"
        rows = []
        for number, message in enumerate(order):
            query, body = envelope(message, nonce=f"n{next(self.serial)}")
            rows.append({"number": number, "query": query, "body": body.decode()})
        path.write_text(json.dumps(rows))
        return path


class ArchiveRounds:
    """Much is said; whoever pulls it dies between rows and place, or over a file."""

    def __init__(self, nursery, sandbox, settings) -> None:
        self.nursery, self.sandbox = nursery, sandbox
        names = ("WECOM_ARCHIVE", "WECOM_ARCHIVE_KEYS", "MEDIA_ROOT")
        nursery.values = {name: str(getattr(settings, name)) for name in names}

    def play(self, point: str, number: int) -> float:
        dice = random.Random(f"{point} {number}")
        media = point == "archive.media_slice"
        how = {"limit": dice.randint(5, 40), "media": media}
        if media:
            self._files()
            self.nursery.run("pull", limit=500)
        else:
            self.sandbox.step("archive_fill", messages=120)
        self.nursery.killed("pull", f"{point}:{1 if media else dice.randint(1, 3)}", **how)
        # The server may not have noticed yet that the lock of the dead one is free.
        eventually(lambda: self.nursery.run("pull", **how) or self._is_read(media), timeout=30)
        self._complete(media)
        return 0

    def _is_read(self, media: bool) -> bool:
        newest = self.sandbox.read("archive/plain")[-1]["seq"]
        waiting = media and ArchivedMedia.objects.filter(state="waiting").exists()
        return ArchiveProgress.objects.get().seq == newest and not waiting

    def _files(self) -> None:
        token = self.sandbox.access_token()
        found = self.sandbox.get("externalcontact/get_follow_user_list", access_token=token)
        pair = all_pairs(self.sandbox, token, found["follow_user"])[0]
        who = {
            "userid": pair["follow_info"]["userid"],
            "external_userid": pair["external_contact"]["external_userid"],
        }
        self.sandbox.step("agree", **who)
        self.sandbox.step("message", **who, msgtype="image")
        self.sandbox.step("message", **who, msgtype="file")

    def _complete(self, media: bool) -> None:
        said = plain(self.sandbox)
        assert stored() == said
        assert ArchivedMessage.unsafe_all.count() == len(said)
        telling = ArchivedMessage.unsafe_all.filter(
            room="", action="send", customer__isnull=False, agent__isnull=False
        ).exclude(kind__in=["agree", "disagree"])
        told = Fact.unsafe_all.filter(source="archive").values_list("source_key", flat=True)
        assert sorted(told) == sorted(telling.values_list("msgid", flat=True))
        if media:
            assert set(ArchivedMedia.objects.values_list("state", flat=True)) == {"done"}
            for row in ArchivedMedia.objects.all():
                found = hashlib.md5(media_path(row).read_bytes()).hexdigest()
                assert (found, media_path(row).stat().st_size) == (row.md5, row.size)


class SyncRounds:
    """WeCom changed silently; whoever reads it page by page dies."""

    def __init__(self, nursery, sandbox) -> None:
        self.nursery, self.sandbox, self.clock = nursery, sandbox, Ahead(sandbox)

    def play(self, point: str, number: int) -> float:
        dice = random.Random(f"{point} {number}")
        for act in ("add", "delete_by_agent", "edit", "group_join", "tag_create"):
            self.sandbox.step(act)
        self.clock.pass_(3600)
        before = SyncRun.objects.count()
        how = {"ahead": self.clock.seconds, "wait": True}
        self.nursery.killed("sync", f"{point}:{dice.randint(1, 5)}", **how)
        self.nursery.run("sync", **how)
        same_as_wecom(self.sandbox)
        assert set(SyncRun.objects.values_list("state", flat=True)) == {"done"}
        assert not StagedPage.objects.exists()
        self._nothing_was_read_twice(before, point)
        told = story()
        assert len(set(told)) == len(told)
        return 0

    def _nothing_was_read_twice(self, before: int, point: str) -> None:
        """The interrupted object went on; only those that had ended begin anew."""
        runs = SyncRun.objects.order_by("pk")[before:]
        pages = Counter(run.object for run in runs)
        assert max(pages.values()) <= 2
        twice = 2 * len(pages)  # Of every object, had the interrupted one begun anew as well.
        assert len(runs) < twice, "the run that was interrupted did not go on"


class ImportRounds:
    """A file is taken in whole or not at all, and afterwards the same file once."""

    HEADERS = {
        "orders": "order_id,customer_id,status,paid_at,amount",
        "customers": "customer_id,name",
        "events": "customer_id,event,at,event_id",
    }
    ROWS = 2500

    def __init__(self, nursery, folder: Path) -> None:
        self.nursery, self.folder = nursery, folder

    def play(self, point: str, number: int) -> float:
        dice = random.Random(f"{point} {number}")
        kind = list(self.HEADERS)[number % len(self.HEADERS)]
        path = self._file(kind, f"{point.replace('.', '')}{number}", number)
        before = self._counts()
        passing = dice.randint(1, 2) if point == "imports.reading" else 1
        self.nursery.killed("import", f"{point}:{passing}", kind=kind, path=str(path))
        interrupt_silent_jobs(now=timezone.now() + SILENT_FOR * 2)
        assert Job.unsafe_all.latest("pk").state == Job.State.INTERRUPTED
        # The server may still be rolling back what the dead process had begun.
        self.nursery.run("import", kind=kind, path=str(path))
        after = self._counts()
        assert after - before == self._expected(kind)
        self.nursery.run("import", kind=kind, path=str(path))
        assert self._counts() == after
        return 0

    def _file(self, kind: str, prefix: str, number: int) -> Path:
        lines = {
            "orders": lambda n: f"{prefix}O{n},{prefix}C{n % 90},paid,2026-11-03,5",
            "customers": lambda n: f"{prefix}C{n},客户{n}",
            "events": lambda n: f"{prefix}C{n % 90},asked.{number},2026-11-03 10:00,{prefix}E{n}",
        }[kind]
        path = self.folder / f"{prefix}.csv"
        path.write_text("\n".join([self.HEADERS[kind], *map(lines, range(self.ROWS)), ""]))
        return path

    def _expected(self, kind: str) -> Counter:
        rows = self.ROWS
        return {
            "orders": Counter(orders=rows, customers=90, facts=rows),
            "customers": Counter(customers=rows),
            "events": Counter(customers=90, facts=rows),
        }[kind]

    def _counts(self) -> Counter:
        told = Fact.unsafe_all.exclude(kind__code__in=["retained", "active", "repeat_order"])
        return Counter(
            orders=Order.unsafe_all.count(),
            customers=Customer.unsafe_all.count(),
            facts=told.count(),
        )
