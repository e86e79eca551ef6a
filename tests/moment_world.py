"""A sandbox whose people stand in our database too, and one clock for both sides."""

import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from PIL import Image

from crm import wecom
from crm.agents.access import Role
from crm.agents.models import Agent, Department, User
from crm.customers.models import Customer, Tag
from crm.moments import actions, following
from crm.moments.content import MomentContent
from crm.moments.models import Moment
from crm.outbox.dispatcher import dispatch
from crm.outbox.models import OutboxItem
from tests.factories import make_agent, make_contact, make_customer, make_department, make_tag
from tests.factories import make_user as a_user

SHANGHAI = ZoneInfo("Asia/Shanghai")


class MomentWorld:
    """What a test of moments needs: people, an author, an approver, and time that passes."""

    def __init__(self, sandbox, settings) -> None:
        settings.WECOM_BASE_URL = sandbox.url
        settings.WECOM_CORP_ID = sandbox.corp_id
        settings.WECOM_SECRET = sandbox.secret
        settings.WECOM_AGENT_ID = sandbox.agent_id
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        self.sandbox, self.offset = sandbox, timedelta()
        self.root = make_department(name="总部", wecom_id=1)
        self.author: User = a_user(Role.OPERATOR)
        self.approver: User = a_user(Role.MANAGER, departments=[self.root])
        self._mirror(wecom.client())

    def _mirror(self, client: wecom.Client) -> None:
        userids = client.follow_users()
        self.agents = [make_agent(userid=u, department=self.root) for u in sorted(userids)]
        by_userid = {agent.userid: agent for agent in self.agents}
        self.tags: dict[str, Tag] = {}
        people: dict[str, Customer] = {}
        for seen in client.contacts_of(userids):
            external, relation = seen.customer.external_userid, seen.relations[0]
            customer = people.get(external) or make_customer(
                external_userid=external, name=seen.customer.name, is_friend=True
            )
            people[external] = customer
            contact = make_contact(customer, by_userid[relation.userid], added_at=relation.added_at)
            contact.tags.set([self._tag(tag_id) for tag_id in relation.tag_ids])

    def _tag(self, wecom_id: str) -> Tag:
        if wecom_id not in self.tags:
            self.tags[wecom_id] = make_tag(wecom_id=wecom_id)
        return self.tags[wecom_id]

    # Time

    def clock(self) -> datetime:
        return timezone.now() + self.offset

    def pass_(self, **length: float) -> None:
        span = timedelta(**length)
        self.offset += span
        self.sandbox.control("clock", advance=span.total_seconds())

    def wall(self, **length: float) -> datetime:
        """A wall time in Shanghai, some time from now, to the minute."""
        local = (self.clock() + timedelta(**length)).astimezone(SHANGHAI)
        return local.replace(second=0, microsecond=0, tzinfo=None)

    # Moments

    def content(self, **overrides) -> MomentContent:
        values = {
            "title": "五月厦门",
            "text": "五月厦门，错峰出发更省",
            "publish_wall": self.wall(hours=1),
            "zone": "Asia/Shanghai",
            "sender_ids": tuple(agent.pk for agent in self.agents[:3]),
        }
        return MomentContent(**values | overrides)

    def drafted(self, **overrides) -> Moment:
        return actions.draft_moment(
            content=self.content(**overrides), by=self.author, now=self.clock()
        )

    def submitted(self, **overrides) -> Moment:
        draft = self.drafted(**overrides)
        return actions.submit_moment(
            moment_id=draft.pk, version=draft.version, by=self.author, now=self.clock()
        )

    def approved(self, **overrides) -> Moment:
        moment = self.submitted(**overrides)
        return actions.approve_moment(
            moment_id=moment.pk, seen_hash=moment.content_hash, by=self.approver, now=self.clock()
        )

    def the_hour_comes(self) -> None:
        self.pass_(minutes=61)
        dispatch(clock=self.clock)

    def created(self, **overrides) -> Moment:
        moment = self.approved(**overrides)
        self.the_hour_comes()
        self.pass_(seconds=5)
        self.follow()
        moment.refresh_from_db()
        assert moment.wecom_moment_id, moment.state
        return moment

    def follow(self) -> None:
        """One round for every moment, whatever its pace."""
        Moment.unsafe_all.filter(follow_at__isnull=False).update(follow_at=self.clock())
        for moment_id in following.due_moments(self.clock()):
            following.follow(moment_id, now=self.clock())

    def item(self, kind: str = "moment.create") -> OutboxItem:
        return OutboxItem.unsafe_all.filter(kind=kind).latest("pk")

    def created_at_wecom(self) -> int:
        """How many tasks the sandbox's ledger holds."""
        return len(self.sandbox.ledger("externalcontact/add_moment_task"))


def picture(width: int = 64, height: int = 48, kind: str = "PNG") -> io.BytesIO:
    """An image file with pixels of its own."""
    file = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(file, kind)
    file.seek(0)
    return file


def overseer(department: Department, *agents: Agent) -> User:
    """A lead of one department, with these agents in it."""
    for agent in agents:
        agent.department = department
        agent.save()
    return a_user(Role.LEAD, departments=[department])
