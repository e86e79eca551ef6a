"""Bad days on demand: which calls suffer, how, how often."""

import threading
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from itertools import count

from .dice import Dice

KINDS = {
    "delay": "answer after `delay` seconds",
    "drop": "close the connection, nothing applied",
    "http_500": "HTTP 500, nothing applied",
    "errcode": "answer `errcode`, nothing applied",
    "effect_then_timeout": "apply, then say nothing for `delay` seconds and close",
    "effect_then_drop": "apply, then close the connection at once",
}


class BadFault(ValueError):
    """A fault rule that makes no sense."""


@dataclass
class Fault:
    """One rule. `method` is a path under /cgi-bin/ and may hold `*`."""

    method: str = "*"
    kind: str = "errcode"
    probability: float = 1.0
    count: int | None = None  # How often at most; None is for ever.
    every: int = 1  # Every n-th matching call.
    skip: int = 0  # Leave the first n matching calls alone.
    page: int | None = None  # Only the n-th page of a cursor walk.
    delay: float = 30.0
    errcode: int = -1
    id: int = 0
    seen: int = field(default=0, compare=False)
    hits: int = field(default=0, compare=False)

    def fires(self, method: str, page: int, dice: Dice) -> bool:
        if not fnmatchcase(method, self.method):
            return False
        if self.page is not None and page != self.page:
            return False
        if self.count is not None and self.hits >= self.count:
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.seen - self.skip) % self.every:
            return False
        if not dice.happens(self.probability):
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force. They live in memory only: a restart is a fair day again."""

    def __init__(self, seed: int):
        self.dice = Dice(seed)
        self.rules: list[Fault] = []
        self.lock = threading.Lock()
        self.ids = count(1)

    def add(self, **fields) -> Fault:
        if fields.get("kind") == "45009":
            fields |= {"kind": "errcode", "errcode": 45009}
        unknown = set(fields) - set(Fault.__dataclass_fields__) | {"id", "seen", "hits"} & set(
            fields
        )
        if unknown:
            raise BadFault(f"unknown fields: {', '.join(sorted(unknown))}")
        rule = Fault(**fields, id=next(self.ids))
        if rule.kind not in KINDS:
            raise BadFault(f"kind is one of {', '.join(KINDS)}")
        if not isinstance(rule.every, int) or rule.every < 1:
            raise BadFault("every is a positive integer")
        with self.lock:
            self.rules.append(rule)
        return rule

    def remove(self, rule_id: int | None = None) -> int:
        """Drop one rule, or all; says how many went."""
        with self.lock:
            before = len(self.rules)
            self.rules = [r for r in self.rules if rule_id is not None and r.id != rule_id]
            return before - len(self.rules)

    def draw(self, method: str, page: int) -> list[Fault]:
        """The rules that strike this call: any number of delays, and the first of the rest."""
        struck: list[Fault] = []
        with self.lock:
            for rule in self.rules:
                taken = rule.kind != "delay" and any(other.kind != "delay" for other in struck)
                if not taken and rule.fires(method, page, self.dice):
                    struck.append(rule)
        return struck

    def summary(self) -> list[dict]:
        with self.lock:
            return [asdict(rule) for rule in self.rules]
