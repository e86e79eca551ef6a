"""What the sections of the page are made of."""

from html import escape
from typing import TYPE_CHECKING

from .clock import stamp as full_stamp
from .store import rows

if TYPE_CHECKING:
    from .core import Sandbox


def section(title: str, header: list[str], body: list[list[str]], empty: str) -> str:
    """A titled table; cells are finished HTML."""
    if not body:
        return f'<section><h2>{title}</h2><p class="quiet">{empty}</p></section>'
    head = "".join(f'<th scope="col">{name}</th>' for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in line) + "</tr>" for line in body)
    return (
        f"<section><h2>{title}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></section>"
    )


def query(sandbox: "Sandbox", statement: str, values: tuple = ()) -> list[dict]:
    with sandbox.store.read() as db:
        return rows(db.execute(statement, values))


def stamp(at: float) -> str:
    """Without the year, which a table needs not repeat."""
    return full_stamp(at)[5:]


def bdi(name: str) -> str:
    return f"<bdi>{escape(name)}</bdi>"
