"""How a fresh demo gets its data: through the doors that production has, a step at a time."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One management command that is run once per state folder."""

    name: str
    says: str
    arguments: tuple[str, ...]
    done: Path

    def is_done(self) -> bool:
        return self.done.exists()

    def mark_done(self) -> None:
        self.done.parent.mkdir(exist_ok=True)
        self.done.touch()


def steps(state: Path) -> list[Step]:
    """What has not been done yet, in order. A step that was cut short is done again as a whole."""
    files = state / "sandbox" / "files"
    wanted = [
        ("sync", "Agents, customers and groups from WeCom", ("sync", "--full")),
        ("logins", "Logins get their teams and customers", ("demo_users",)),
        ("consents", "Who has agreed to the chat archive", ("pull_archive", "--consents")),
        ("compile", "The funnel's fold is compiled for this machine", ("columns", "compile")),
    ]
    wanted += [
        (kind, f"Past {kind} from {kind}.csv", ("import", kind, str(files / f"{kind}.csv")))
        for kind in ("customers", "orders", "routes", "events", "members")
        if _is_told(files, kind)
    ]
    all_steps = [Step(name, says, what, state / "loaded" / name) for name, says, what in wanted]
    return [step for step in all_steps if not step.is_done()]


def _is_told(files: Path, kind: str) -> bool:
    """Whether the company has such a file: a past from before there were cards has none of them."""
    return not (files / "customers.csv").exists() or (files / f"{kind}.csv").exists()
