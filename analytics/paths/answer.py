"""The answer of a path question: which places, which ways between them, which whole paths."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics.charts.rates import Rate
from analytics.paths.question import DEFINITION_VERSION, PathQuestion


@dataclass(frozen=True)
class Place:
    """How many stood at an event on the n-th place of their path (from 1)."""

    number: int
    event: str
    people: int


@dataclass(frozen=True)
class Way:
    """How many went from an event on the n-th place (0: the anchor) to one on the next."""

    number: int
    source: str
    target: str
    people: int


@dataclass(frozen=True)
class Path:
    """A whole path and how many took it; it ends early where it has ended or is open."""

    events: tuple[str, ...]
    people: int


@dataclass(frozen=True)
class PathAnswer:
    """Places and ways sum to everybody at each place; `paths` are the most frequent ones."""

    question: PathQuestion
    people: int
    places: tuple[Place, ...]
    ways: tuple[Way, ...]
    paths: tuple[Path, ...]
    different: int
    data_time: datetime
    as_of: datetime

    def share(self, people: int) -> Rate:
        """Of everybody with the anchor."""
        return Rate(people, self.people)

    def as_json(self) -> dict[str, Any]:
        """The answer as command and API print it."""
        return {
            "question": self.question.as_json(),
            "people": self.people,
            "places": [vars(place) | self._rate(place.people) for place in self.places],
            "ways": [
                {"number": w.number, "from": w.source, "to": w.target, "people": w.people}
                | self._rate(w.people)
                for w in self.ways
            ],
            "paths": [
                {"events": list(path.events), "people": path.people} | self._rate(path.people)
                for path in self.paths
            ],
            "different_paths": self.different,
            "data_time": self.data_time.isoformat(),
            "as_of": self.as_of.isoformat(),
            "definition_version": DEFINITION_VERSION,
        }

    def _rate(self, people: int) -> dict[str, Any]:
        return {"rate": self.share(people).as_json()}
