"""What an administrator would set up first: logins, names for the channels, tiers of members."""

import json
import os
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.db.models import Count, Q

from crm.agents.access import Role
from crm.agents.models import Agent, Department, User
from crm.customers.models import Channel
from crm.members.models import MemberTier

# The simulated company's channels: state, name, right moment.
CHANNELS = (
    ("xhs-guide", "小红书攻略", "看完攻略"),
    ("douyin-live", "抖音直播", "直播间"),
    ("hotel-order", "酒店订单", "订酒店后"),
    ("flight-order", "机票订单", "订机票后"),
    ("store-code", "门店活码", "到店"),
    ("fission-gift", "裂变有礼", "领礼品"),
    ("article-end", "攻略文末", "看完文章"),
    ("friend-referral", "老客推荐", "朋友推荐"),
)

# Tiers of its membership: code, name, rank, benefits with how often a card gives them.
TIERS = (
    ("black", "黑卡", 3, (("接送机", 4), ("专属顾问", None), ("免费升舱", 2))),
    ("gold", "金卡", 2, (("接送机", 2), ("专属顾问", None))),
    ("silver", "银卡", 1, (("生日礼", 1),)),
)

ROLES = (Role.AGENT, Role.LEAD, Role.OPERATOR, Role.MANAGER, Role.REVIEWER, Role.ADMIN)


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Create one login per role (agent, lead, operator, manager, reviewer, admin) and a service "
        "user, link them to synced agents and departments, and name the channels and member tiers "
        "of the simulated company. Safe to run again: links are added when there is something to "
        "link to. The password comes from CHANGKE_DEMO_PASSWORD, else it is random and shown once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            password = make_logins(os.environ.get("CHANGKE_DEMO_PASSWORD", ""))
            link_logins()
            name_channels()
            name_tiers()
        if options["json"]:
            self.stdout.write(json.dumps({"password": password}))
        elif password:
            self.stdout.write(f"logins: {', '.join(ROLES)}; password: {password}")
        else:
            self.stdout.write(f"logins: {', '.join(ROLES)}; passwords unchanged")


def make_logins(wanted: str) -> str | None:
    """Create what is missing; returns the password that was set, None if nothing was set."""
    known = {user.username: user for user in User.objects.filter(username__in=ROLES)}
    password = wanted or secrets.token_urlsafe(12)
    changed = False
    for role in ROLES:
        user = known.get(role)
        if user is None:
            is_admin = role == Role.ADMIN
            user = User(username=role, role=role, is_staff=is_admin, is_superuser=is_admin)
        elif not wanted:
            continue
        user.set_password(password)
        user.save()
        changed = True
    if not User.objects.filter(username=Role.SERVICE).exists():
        service = User(username=Role.SERVICE, role=Role.SERVICE)
        service.set_unusable_password()
        service.save()
    return password if changed else None


def name_channels() -> None:
    """Name the channels of the simulated company, unless somebody has named them already."""
    for code, name, moment in CHANNELS:
        channel, is_new = Channel.objects.get_or_create(
            code=code, defaults={"name": name, "moment": moment}
        )
        if not is_new and channel.name == code:
            channel.name, channel.moment = name, moment
            channel.save()


def name_tiers() -> None:
    """The tiers of the simulated company, unless there are any already; each falls to the next."""
    if MemberTier.objects.exists():
        return
    below = None
    for code, name, rank, benefits in reversed(TIERS):
        below = MemberTier.objects.create(code=code, name=name, rank=rank, falls_to=below)
        for position, (benefit, quota) in enumerate(benefits):
            below.benefits.create(name=benefit, quota=quota, position=position)


def link_logins() -> None:
    """Give the agent many customers, the lead that agent's team, the manager the whole company."""
    agent = User.objects.get(username=Role.AGENT)
    lead = User.objects.get(username=Role.LEAD)
    manager = User.objects.get(username=Role.MANAGER)
    if agent.agent is None:
        _link(agent, _busiest_first(Agent.unsafe_all.all()).first())
    team = agent.agent.department if agent.agent else None
    if team and not lead.departments.exists():
        lead.departments.set([team])
    if team and lead.agent is None:
        _link(lead, _busiest_first(team.agents.all()).order_by("-is_leader", "-friends").first())
    if not manager.departments.exists():
        manager.departments.set(Department.objects.filter(parent__isnull=True, is_active=True))


def _busiest_first(agents):
    free = agents.filter(status=Agent.Status.ACTIVE, user__isnull=True)
    friends = Count("contacts", filter=Q(contacts__status="active"))
    return free.annotate(friends=friends).order_by("-friends", "pk")


def _link(user: User, agent: Agent | None) -> None:
    if agent is not None:
        user.agent = agent
        user.save(update_fields=["agent"])
