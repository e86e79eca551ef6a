"""Which material a date gets: the one whose last use is longest ago, never one that still rests."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date


@dataclass
class Candidate:
    """A material, how long it rests for this slot, and the days on which it goes or went out.

    Each of these days has its own interval, too: that of the slot which uses it then, else 0.
    """

    material_id: int
    interval: int
    uses: dict[date, int] = field(default_factory=dict)
    expires_on: date | None = None

    def is_good(self, on: date) -> bool:
        """Whether it has not expired by then."""
        return self.expires_on is None or on <= self.expires_on

    def is_free(self, on: date) -> bool:
        """Whether it is still good, and no use, before or after, is nearer than either rests."""
        apart = ((abs((on - used).days), rests) for used, rests in self.uses.items())
        return self.is_good(on) and all(n >= max(self.interval, rests) for n, rests in apart)


def least_lately_used(candidates: Iterable[Candidate], on: date) -> Candidate | None:
    """The free one that has rested longest, never used before used; None where all rest."""
    free = [one for one in candidates if one.is_free(on)]
    return min(
        free, key=lambda one: (max(one.uses, default=date.min), one.material_id), default=None
    )
