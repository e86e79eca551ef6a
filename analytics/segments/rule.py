"""What a segment may ask: a tree of groups and conditions. Values are plain, the tree is frozen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

MAX_NODES = 200
MAX_DEPTH = 8
MAX_VALUES = 500
MAX_DAYS = 400
MAX_TIMES = 8

How = Literal["all", "any", "none"]


@dataclass(frozen=True)
class Group:
    """All, any or none of the parts; an empty ``all`` or ``none`` is everybody."""

    how: How
    parts: tuple["Node", ...]

    def as_json(self) -> dict[str, Any]:
        return {self.how: [part.as_json() for part in self.parts]}


@dataclass(frozen=True)
class Choice:
    """An attribute whose value is one of these: channel and other numbers as int, else text."""

    field: str
    values: tuple[int | str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"field": self.field, "in": list(self.values)}


@dataclass(frozen=True)
class Span:
    """A number, or days ago, between two limits, both included; None is open."""

    field: str
    low: int | None
    high: int | None

    def as_json(self) -> dict[str, Any]:
        limits = {"from": self.low, "to": self.high}
        return {"field": self.field} | {k: v for k, v in limits.items() if v is not None}


@dataclass(frozen=True)
class Tags:
    """Carries any, all or none of these corp tags."""

    how: How
    ids: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        return {"tags": self.how, "ids": list(self.ids)}


@dataclass(frozen=True)
class Belongs:
    """Is now in one of these groups (``group``), or the friend of one of these agents."""

    to: Literal["group", "agent"]
    ids: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        return {self.to: list(self.ids)}


@dataclass(frozen=True)
class Happened:
    """A fact of this kind at least / at most so often within the last ``days`` local days.

    ``where`` are (property, value) pairs that the fact's properties must all equal.
    """

    kind: str
    days: int
    at_least: int | None = None
    at_most: int | None = None
    where: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        times = {"at_least": self.at_least, "at_most": self.at_most}
        body: dict[str, Any] = {"fact": self.kind, "days": self.days}
        body |= {k: v for k, v in times.items() if v is not None}
        return body | ({"where": dict(self.where)} if self.where else {})


@dataclass(frozen=True)
class Own:
    """A field of the company's own says one of these values, or one between two limits.

    Limits are both included: numbers or dates as they are written, None is open. With neither
    values nor limits: the field says anything at all.
    """

    key: str
    values: tuple[str, ...] = ()
    low: str | None = None
    high: str | None = None

    @property
    def is_span(self) -> bool:
        return self.low is not None or self.high is not None

    def as_json(self) -> dict[str, Any]:
        limits = {"from": self.low, "to": self.high}
        body: dict[str, Any] = {"own": self.key}
        body |= {"in": list(self.values)} if self.values else {}
        return body | {name: limit for name, limit in limits.items() if limit is not None}


@dataclass(frozen=True)
class Trip:
    """A paid trip that starts or returns between two days from today (negative: past)."""

    side: Literal["start", "return"]
    low: int
    high: int

    def as_json(self) -> dict[str, Any]:
        return {"trip": self.side, "from": self.low, "to": self.high}


@dataclass(frozen=True)
class Bucket:
    """A random share of everybody: percent [low, high) of the hash of salt and customer."""

    low: int
    high: int
    salt: str

    def as_json(self) -> dict[str, Any]:
        return {"bucket": [self.low, self.high], "salt": self.salt}


@dataclass(frozen=True)
class InSegment:
    """Answers another segment, in its newest version."""

    segment: int

    def as_json(self) -> dict[str, Any]:
        return {"segment": self.segment}


Condition = Choice | Span | Tags | Belongs | Happened | Own | Trip | Bucket | InSegment
Node = Group | Condition


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    if isinstance(node, Group):
        for part in node.parts:
            yield from walk(part)


def placed(node: Node, place: str = "") -> Iterator[tuple[str, Node]]:
    """The node and everything below it, each with its place in the tree: ``all[2].any[0]``."""
    yield place, node
    if isinstance(node, Group):
        for number, part in enumerate(node.parts):
            where = f"{node.how}[{number}]"
            yield from placed(part, f"{place}.{where}" if place else where)
