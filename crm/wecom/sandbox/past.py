"""What the first 90 days leave behind: rows for the store and rows for the company's own files."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import talk
from .clock import DAY, HOUR, SHANGHAI, day_start
from .dice import Dice, Weighted

if TYPE_CHECKING:
    from .journeys import Person

# People are up from seven to midnight, most of all at noon and in the evening.
HOURS = Weighted(
    range(24),
    [1, 0.5, 0.3, 0.2, 0.2, 0.4, 1, 3, 6, 9, 10, 10, 12, 9, 8, 8, 8, 9, 10, 12, 14, 13, 9, 4],
)


@dataclass
class Past:
    """Collected while people live through their days; times are Unix seconds."""

    epoch: float
    days: int
    contacts: list[tuple] = field(default_factory=list)
    relations: list[tuple] = field(default_factory=list)
    relation_tags: list[tuple] = field(default_factory=list)
    chats: list[dict] = field(default_factory=list)
    chat_members: list[tuple] = field(default_factory=list)
    moments: list[tuple] = field(default_factory=list)
    prospects: list[tuple] = field(default_factory=list)
    behavior: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)
    customers: list[tuple] = field(default_factory=list)
    orders: list[dict] = field(default_factory=list)
    events: list[tuple] = field(default_factory=list)
    routes: list[dict] = field(default_factory=list)
    talk: list[tuple] = field(default_factory=list)
    series: dict[str, int] = field(default_factory=dict)
    agreeing: float = 0.0  # Share of customers whose messages the archive keeps.

    def __post_init__(self):
        self.today = day_start(self.epoch)
        self.born = self.today - self.days * DAY
        weights = []
        for day in range(self.days + 1):
            weekend = ((self.born + day * DAY + SHANGHAI) // DAY + 3) % 7 >= 5
            weights.append((1 + 0.6 * day / max(1, self.days)) * (1.25 if weekend else 1.0))
        weights[-1] *= 0.5  # Today has only begun.
        self.calendar = Weighted(range(self.days + 1), weights)

    def some_time(self, dice: Dice) -> float:
        """A waking moment of these days; today's are squeezed in before now."""
        day = self.calendar.draw(dice)
        seconds = HOURS.draw(dice) * HOUR + dice.random() * HOUR
        if day == self.days:
            seconds *= (self.epoch - self.today) / DAY
        return self.born + day * DAY + seconds

    def count(self, userid: str, at: float, **more: int) -> None:
        """Add to a member's statistics of one day."""
        key = (userid, day_start(at))
        row = self.behavior.get(key)
        if row is None:
            row = self.behavior[key] = dict.fromkeys(COUNTERS, 0)
        for name, value in more.items():
            row[name] += value

    def event(
        self,
        customer_id: str,
        name: str,
        at: float,
        *,
        agent: str = "",
        group: str = "",
        route: str = "",
        channel: str = "",
    ) -> None:
        """One past interaction for events.csv; what lies ahead of us has not happened."""
        if at < self.epoch:
            self.events.append((customer_id, name, at, agent, group, route, channel))

    def said(self, person: "Person", at: float, *, agent: str, by_customer: bool) -> None:
        """One message: in the archive where it is recent and may be kept, else in events.csv."""
        if self.epoch - talk.SPAN <= at < self.epoch and talk.agrees(
            self.agreeing, agent, person.key
        ):
            self.talk.append((at, agent, person.key, by_customer))
            return
        name = "message_received" if by_customer else "message_sent"
        self.event(person.customer_id, name, at, agent=agent)

    def next_number(self, series: str) -> int:
        self.series[series] = self.series.get(series, 0) + 1
        return self.series[series]


COUNTERS = (
    "new_apply",
    "new_contact",
    "chat",
    "message",
    "opened",
    "answered",
    "answer_seconds",
    "negative",
)


def waking(at: float) -> float:
    """The same moment, or after breakfast if it falls into the night."""
    hour = (at + SHANGHAI) % DAY // HOUR
    return at + 8 * HOUR if hour < 7 else at
