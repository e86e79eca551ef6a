"""Rounds in which a dispatcher dies: posts, mass sends, group posts, tags, reminders, welcomes."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from crm import wecom
from crm.acquisition.actions import Greeting, WelcomeRule, queue_welcome, save_welcome
from crm.acquisition.models import WelcomeSent
from crm.customers.models import Contact, Customer
from crm.moments import actions, following
from crm.moments import images as images_
from crm.moments.models import Moment
from crm.moments.reminders import remind_agents
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem
from crm.outreach import actions as sends
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend
from crm.outreach.reminders import remind_agents as remind_senders
from crm.tagging.actions import tag_contacts
from tests.crm.test_outreach import SendWorld
from tests.factories import make_group
from tests.moment_world import picture

State = OutboxItem.State
CREATE, LIST = "externalcontact/add_moment_task", "externalcontact/get_moment_list"
CANCEL, REMIND = "externalcontact/cancel_moment_task", "message/send"
WELCOME = "externalcontact/send_welcome_msg"
MASS, REMIND_SEND = "externalcontact/add_msg_template", "externalcontact/remind_groupmsg_send"
RESUMED_WITHIN = 45  # Seconds; what the product promises for a send.
LOOKS = ("outbox.before_look", "outbox.before_conclusion", "outbox.after_conclusion")


class OutwardRounds:
    """One world, and any number of rounds in it."""

    def __init__(self, nursery, sandbox, settings) -> None:
        self.world, self.nursery = SendWorld(sandbox, settings), nursery
        self.few = self.world.audience(Customer.unsafe_all.order_by("pk")[:9])
        owners = {agent.userid: agent for agent in self.world.agents}
        self.groups = [
            make_group(owners[row["owner"]], chat_id=row["chat_id"])
            for row in sandbox.read("world")["groups"]
            if row["owner"] in owners and not row["dismissed_at"]
        ][:6]
        settings.MEDIA_ROOT = nursery.values["MEDIA_ROOT"]
        sandbox.control("settings", limits={"*": []})
        save_welcome(
            WelcomeRule(name="默认", text="你好", is_default=True), by=None, now=self.world.clock()
        )

    def play(self, point: str, number: int) -> float:
        """One round; returns how many seconds the killed item lay untouched."""
        self.dice = random.Random(f"{point} {number}")
        self.world.pass_(days=1)  # Customers take three posts a day.
        kinds = self._kinds()
        if point in LOOKS or point == "moments.after_upload":
            kinds = [self.posts]
        if point == "moments.asked":
            kinds = [self.follower]
        kind = kinds[number % len(kinds)]
        resumed_after = kind(point, number)
        assert resumed_after <= RESUMED_WITHIN
        assert not OutboxItem.unsafe_all.open().exclude(state=State.PARKED).exists()
        return resumed_after

    def _kinds(self) -> list[Callable[[str, int], float]]:
        return [
            self.posts, self.mass_send, self.tags, self.reminder, self.cancellation, self.welcome,
            self.group_post, self.send_reminder,
        ]  # fmt: skip

    def least(self) -> int:
        """Rounds in which every kind meets a point."""
        return len(self._kinds())

    # What is sent

    def mass_send(self, point: str, number: int) -> float:
        """A few agents get a batch or two each; nobody is in two tasks, and nobody is forgotten."""
        text = f"{point} {number}"
        send = self.world.sent(text=text, batch=2, audience=self.few)
        resumed_after = self._killed(f"{point}:{self.dice.randint(1, send.batches.count())}")
        self._until_all_is_known()
        arrived = self.world.arrived(text)
        assert set(arrived.values()) <= {1}
        by_state: dict[str, set[str]] = {}
        rows = send.recipients.values_list("state", "customer__external_userid")
        for state, external_userid in rows:
            by_state.setdefault(state, set()).add(external_userid)
        assert set(by_state) <= {"done", "parked"}
        assert by_state.get("done", set()) <= set(arrived)
        assert set(arrived) <= by_state.get("done", set()) | by_state.get("parked", set())
        return resumed_after

    def group_post(self, point: str, number: int) -> float:
        """Owners get their groups; no group is in two tasks, and none is forgotten."""
        text = f"{point} {number}"
        send = self._to_groups(text)
        resumed_after = self._killed(f"{point}:{self.dice.randint(1, send.batches.count())}")
        self._until_all_is_known()
        tasks = Counter(
            chat_id
            for row in self.world.sandbox.ledger(MASS)
            if row["body"]["text"]["content"] == text
            for chat_id in row["body"]["chat_id_list"]
        )
        states = dict(send.recipients.values_list("group__chat_id", "state"))
        assert states.keys() == {group.chat_id for group in self.groups}
        done = {chat_id for chat_id, state in states.items() if state == "done"}
        parked = {chat_id for chat_id, state in states.items() if state == "parked"}
        assert done | parked == states.keys()
        assert set(tasks.values()) <= {1}
        assert done <= tasks.keys() <= done | parked
        return resumed_after

    def send_reminder(self, point: str, number: int) -> float:
        """Agents who have not sent are reminded once; where the answer is unknown, not again."""
        send = self.world.sent(text=f"{point} {number}", batch=5, audience=self.few)
        self.world.work()
        self.world.pass_(seconds=30)
        before = len(self.world.sandbox.ledger(REMIND_SEND))
        wanted = remind_senders(send_id=send.pk, by=self.world.author, now=self.world.clock())
        resumed_after = self._killed(f"{point}:{self.dice.randint(1, wanted)}")
        self._until_all_is_known()
        reminded = [row["body"]["msgid"] for row in self.world.sandbox.ledger(REMIND_SEND)[before:]]
        assert len(reminded) == len(set(reminded))
        items = OutboxItem.unsafe_all.filter(
            kind="mass_send.remind", created_at__gte=send.created_at
        )
        ends = dict(items.values_list("subject_id", "state"))
        numbers = dict(send.batches.values_list("pk", "msgid"))
        assert set(ends.values()) <= {State.DONE, State.SKIPPED}
        assert len(ends) == wanted
        done = {numbers[pk] for pk, state in ends.items() if state == State.DONE}
        assert done <= set(reminded) <= {numbers[pk] for pk in ends}
        assert len(done) >= wanted - 1  # The one that died in its call is all that may be unknown.
        return resumed_after

    def tags(self, point: str, number: int) -> float:
        """A tag for three relations; each carries it at WeCom and here, or neither."""
        tag = self.world.tags[min(self.world.tags)]
        contacts = list(Contact.unsafe_all.order_by("pk")[:3])
        had = {contact.pk for contact in contacts if contact.tags.filter(pk=tag.pk).exists()}
        wish = {"removes": [tag]} if had else {"adds": [tag]}
        changing = len(had) or len(contacts)
        tag_contacts(contacts=contacts, **wish, by=self.world.author, now=self.world.clock())
        resumed_after = self._killed(f"{point}:{self.dice.randint(1, changing)}")
        self._until_all_is_known()
        for contact in contacts:
            seen = wecom.client().contact(contact.customer.external_userid)
            carried = {
                tag_id
                for relation in seen.relations
                if relation.userid == contact.agent.userid
                for tag_id in relation.tag_ids
            }
            assert (tag.wecom_id in carried) == (not had)
            assert contact.tags.filter(pk=tag.pk).exists() == (not had)
        return resumed_after

    def posts(self, point: str, number: int) -> float:
        """One to three posts; the dispatcher dies at one of them."""
        wanted = 1 if number == 0 else self.dice.randint(1, 3)
        words = [f"{point} {number} {n}" for n in range(wanted)]
        moments = [self._approved(text, point) for text in words]
        self.world.pass_(minutes=61)
        if point in LOOKS:
            self._make_uncertain(wanted)
        elif self.dice.random() < 0.5:
            self.world.sandbox.fault(LIST, "http_500", count=1)
        resumed_after = self._killed(f"{point}:{self.dice.randint(1, wanted)}")
        self._until_all_is_known()
        for moment, text in zip(moments, words, strict=True):
            self._once_or_with_a_person(moment, text)
        return resumed_after

    def _approved(self, text: str, point: str) -> Moment:
        images = []
        if point == "moments.after_upload":
            author = self.world.author
            images = [images_.store_image(upload=picture(), name="a.png", by=author).pk]
        return self.world.approved(text=text, title=text[:60], image_ids=tuple(images))

    def _make_uncertain(self, wanted: int) -> None:
        """Calls whose answers never come, applied or not."""
        kind = self.dice.choice(["effect_then_drop", "effect_then_drop", "drop"])
        self.world.sandbox.fault(CREATE, kind, count=wanted)
        self.nursery.run("dispatch", ahead=self._ahead())
        self.world.sandbox.control("faults", verb="DELETE")
        self.world.pass_(seconds=11)

    def _once_or_with_a_person(self, moment: Moment, text: str) -> None:
        moment.refresh_from_db()
        item = OutboxItem.unsafe_all.get(kind="moment.create", subject_id=moment.pk)
        made = [
            row
            for row in self.world.sandbox.ledger(CREATE)
            if row["body"]["text"]["content"] == text
        ]
        if item.state == State.PARKED:
            # Certainly nothing lost: a person is asked, and nothing was made.
            assert (len(made), moment.state) == (0, Moment.State.UNCERTAIN)
        else:
            assert (item.state, len(made)) == (State.DONE, 1)
            assert moment.state in Moment.FOLLOWED

    def reminder(self, point: str, number: int) -> float:
        """Agents who have not published are reminded, each of them once."""
        moment = self._created(text=f"{point} {number}")
        self.world.pass_(minutes=40)
        before = self._sent(REMIND)
        wanted = remind_agents(moment_id=moment.pk, by=self.world.author, now=self.world.clock())
        resumed_after = self._killed(f"{point}:{self.dice.randint(1, wanted)}")
        self._until_all_is_known()
        items = OutboxItem.unsafe_all.filter(kind="moment.remind", subject_id=moment.pk)
        assert [item.state for item in items] == [State.DONE] * wanted
        assert self._sent(REMIND) - before == wanted  # What WeCom dropped as a double is not in it.
        return resumed_after

    def _created(self, text: str) -> Moment:
        moment = self.world.approved(text=text)
        self.world.the_hour_comes()
        self.world.pass_(seconds=5)
        self._follow()
        moment.refresh_from_db()
        assert moment.wecom_moment_id
        return moment

    def follower(self, point: str, number: int) -> float:
        """Whoever asks what became of a post dies over the answer; the next one asks again."""
        moment = self.world.approved(text=f"{point} {number}")
        self.world.the_hour_comes()
        self.world.pass_(seconds=5)
        self.nursery.killed("follow", point, ahead=self._ahead())
        resumed_after = self._asked_again(moment)
        self._once_or_with_a_person(moment, moment.text)
        assert moment.wecom_moment_id
        return resumed_after

    def _asked_again(self, moment: Moment) -> float:
        for seconds in range(0, 300, 30):
            self.nursery.run("follow", ahead=self._ahead())
            moment.refresh_from_db()
            if moment.followed_at:
                return seconds
            self.world.pass_(seconds=30)
        raise AssertionError("nobody asked again")

    def cancellation(self, point: str, number: int) -> float:
        """A post is stopped; stopping it twice is the same."""
        moment = self._created(text=f"{point} {number}")
        actions.cancel_moment(moment_id=moment.pk, by=self.world.author, now=self.world.clock())
        before = self._sent(CANCEL)
        resumed_after = self._killed(point)
        self._until_all_is_known()
        moment.refresh_from_db()
        assert moment.state == Moment.State.CANCELLED
        assert self._sent(CANCEL) - before >= 1
        return resumed_after

    def welcome(self, point: str, number: int) -> float:
        """A code lives twenty seconds: the next dispatcher must be in time."""
        sent = self._friend()
        resumed_after = self._killed(point, every=2)
        self._until(
            lambda: OutboxItem.unsafe_all.get(subject_id=sent.pk, kind="welcome").is_final, 2
        )
        sent.refresh_from_db()
        greeted = [
            row
            for row in self.world.sandbox.ledger(WELCOME)
            if row["body"]["welcome_code"] == sent.code
        ]
        assert (sent.outcome, len(greeted)) == (WelcomeSent.Outcome.SENT, 1)
        return resumed_after

    def _friend(self) -> WelcomeSent:
        step = self.world.sandbox.step("add")
        greeting = Greeting(
            code=step["WelcomeCode"],
            userid=step["UserID"],
            external_userid=step["ExternalUserID"],
            state="",
            happened_at=self.world.clock(),
        )
        queue_welcome(greeting, now=self.world.clock())
        return WelcomeSent.unsafe_all.get(code=greeting.code)

    def _to_groups(self, text: str) -> MassSend:
        now = self.world.clock()
        content = SendContent(
            title=text[:60],
            send_at=now,
            target="groups",
            group_ids=tuple(group.pk for group in self.groups),
            text=text,
        )
        send = sends.draft_send(content=content, by=self.world.author, now=now)
        send = sends.submit_send(
            send_id=send.pk, version=send.version, by=self.world.author, now=now
        )
        return sends.approve_send(
            send_id=send.pk, seen_hash=send.content_hash, by=self.world.approver, now=now
        )

    # Dying and going on

    def _killed(self, point: str, *, every: int = 10) -> float:
        """Kill a dispatcher, start others; seconds until what it held was taken up again."""
        self.nursery.killed("dispatch", point, ahead=self._ahead())
        held = {
            (item.pk, item.fence)
            for item in OutboxItem.unsafe_all.open()
            if item.lease_until is not None
        }
        for seconds in range(0, 600, every):
            self.nursery.run("dispatch", ahead=self._ahead())
            untouched = OutboxItem.unsafe_all.filter(lease_until__isnull=False)
            if not held & set(untouched.values_list("pk", "fence")):
                return seconds
            self.world.pass_(seconds=every)
        raise AssertionError(f"nobody went on after {point}")

    def _until_all_is_known(self) -> None:
        def known() -> bool:
            self._follow()
            return not OutboxItem.unsafe_all.open().exclude(state=State.PARKED).exists()

        self._until(known, 120)
        self.world.pass_(seconds=5)
        self._follow()

    def _follow(self) -> None:
        """Ask about posts in the making only: what agents do with them is not the point here."""
        making = Moment.unsafe_all.filter(state=Moment.State.CREATING, follow_at__isnull=False)
        for moment_id in making.values_list("pk", flat=True):
            Moment.unsafe_all.filter(pk=moment_id).update(follow_at=self.world.clock())
            following.follow(moment_id, now=self.world.clock())

    def _until(self, known: Callable[[], bool], seconds: float) -> None:
        for _look in range(20):
            if known():
                return
            self.world.pass_(seconds=seconds)
            dispatch(clock=self.world.clock)
        left = OutboxItem.unsafe_all.open().values(
            "kind", "state", "reason_code", "reason", "attempts"
        )
        raise AssertionError(f"not known after twenty looks: {list(left)}")

    def _ahead(self) -> float:
        return self.world.offset / timedelta(seconds=1)

    def _sent(self, method: str) -> int:
        return len(self.world.sandbox.ledger(method))
