"""What became, or would become, of the rows."""

from dataclasses import dataclass


@dataclass
class Counts:
    """Rows by what they do: ``new``, ``changed``, ``same``; and what came along with them."""

    new: int = 0
    changed: int = 0
    same: int = 0
    people: int = 0
    facts: int = 0
    unknown_agents: int = 0
    unknown_groups: int = 0

    def take(self, verdicts: list[tuple[str, int]]) -> "Counts":
        """Fill in from rows of (verdict, number)."""
        for verdict, number in verdicts:
            setattr(self, verdict, number)
        return self
