"""The population lives: every few seconds something happens, more in the day than at night."""

import threading
from typing import TYPE_CHECKING

from . import export, moments
from .acts import perform
from .acts_base import CannotAct
from .clock import hour_of_day
from .dice import Dice, Weighted
from .past import Past
from .travel import make_order, make_routes

if TYPE_CHECKING:
    from .core import Sandbox

MEAN_SECONDS = 5.0
NIGHT_FACTOR = 2.5  # Slower, never silent: somebody may be watching.
ORDERS_EVERY = 240.0
ANSWERED, ANSWER_SECONDS = 0.85, 150.0
MOST_ORDER_FILES = 20

ACTS = Weighted(
    [
        "add", "add_half", "chat", "group_join", "group_leave", "delete_by_customer",
        "delete_by_agent", "edit", "publish_moment", "group_create", "group_rename",
        "group_notice", "group_dismiss", "tag_create", "tag_update",
        "scan", "join", "click_link", "personal_mass", "agree",
    ],
    [34, 2, 30, 14, 5, 6, 1.2, 7, 2, 0.4, 0.5, 0.3, 0.1, 0.15, 0.1, 6, 4, 6, 0.5, 8],
)  # fmt: skip


class Life:
    """The thread that makes things happen. It waits until the receiver's address has answered."""

    def __init__(self, sandbox: "Sandbox"):
        self.sandbox = sandbox
        self.dice = Dice(f"{sandbox.config.plan.seed}/{sandbox.store.get('lives', 0)}")
        sandbox.store.put("lives", sandbox.store.get("lives", 0) + 1)
        self.on = sandbox.config.life
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.next_orders = 0.0
        self.later: list[tuple[float, str, dict]] = []

    def reset(self) -> None:
        self.on = self.sandbox.config.life
        self.later.clear()

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.thread.join(timeout=5)

    def _run(self) -> None:
        self.next_orders = self.sandbox.clock.now() + ORDERS_EVERY / 4 / self.sandbox.config.speed
        while not self.sandbox.stopping.wait(self._pause()):
            self.sandbox.settle()
            self._what_is_due()
            if not self.on:
                continue
            postman = self.sandbox.postman
            if postman.url and not (postman.verified or postman.check_url()):
                continue
            self._one_act()
            self._orders()

    def _pause(self) -> float:
        """Until the next act; without life only what is due gets carried out."""
        postman = self.sandbox.postman
        if not self.on or (postman.url and not postman.verified):
            return 1.0
        at_night = not 7 <= hour_of_day(self.sandbox.clock.now()) < 24
        mean = MEAN_SECONDS * (NIGHT_FACTOR if at_night else 1.0) / self.sandbox.config.speed
        return min(4 * mean, self.dice.soon(mean))

    def _one_act(self) -> None:
        kind = ACTS.draw(self.dice)
        given = {}
        if kind == "delete_by_customer" and self.dice.happens(0.5):
            with self.sandbox.store.read() as db:
                tired = moments.recently_pushed(db, self.sandbox.clock.now())
            given = dict(tired) if tired else {}
        if kind == "chat":
            given = {"answered": False}
        try:
            happened = perform(self.sandbox, kind, self.dice, **given)
        except CannotAct:
            return  # An empty world has nobody to leave it.
        if kind == "add_half":
            self._later(self.dice.uniform(3, 20), "complete_half", happened)
        if happened.get("archived") and self.dice.happens(ANSWERED):
            wait = self.dice.lognormvariate(0, 0.9) * ANSWER_SECONDS / self.sandbox.config.speed
            self._later(wait, "message", happened, sender="member", msgtype="text")

    def _later(self, seconds: float, kind: str, happened: dict, **more: str) -> None:
        # A chat names the pair in the operator's words, other acts in the event's.
        names = {"userid": "UserID", "external_userid": "ExternalUserID"}
        pair = {name: happened.get(name) or happened[told] for name, told in names.items()}
        self.later.append((self.sandbox.clock.now() + seconds, kind, pair | more))

    def _what_is_due(self) -> None:
        now = self.sandbox.clock.now()
        due = [later for later in self.later if later[0] <= now]
        self.later = [later for later in self.later if later[0] > now]
        for _at, kind, given in due:
            try:
                perform(self.sandbox, kind, self.dice, **given)
            except CannotAct:
                continue  # Gone before the member had looked.

    def _orders(self) -> None:
        """The company's own shop goes on selling; a person may upload these files."""
        now = self.sandbox.clock.now()
        if now < self.next_orders:
            return
        self.next_orders = now + ORDERS_EVERY / self.sandbox.config.speed
        number = self.sandbox.store.get("order_files", 0) + 1
        if number > MOST_ORDER_FILES:
            return
        with self.sandbox.store.read() as db:
            buyers = db.execute(
                "select member_no from contacts where member_no <> '' order by random() limit ?",
                (self.dice.randint(4, 25),),
            ).fetchall()
        if not buyers:
            return
        sold = Past(epoch=now, days=1)
        make_routes(sold, self.dice, count=40)
        rows = []
        for position, buyer in enumerate(buyers):
            at = now - self.dice.uniform(0, ORDERS_EVERY)
            order = make_order(sold.routes, self.dice, at)
            order |= {"customer_id": buyer["member_no"], "paid_at": at}
            rows.append(export.order_row(f"L{number:04d}{position:04d}", order))
        folder = self.sandbox.store.files / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        export.write_csv(folder / f"orders-{number}.csv", export.ORDERS, rows)
        self.sandbox.store.put("order_files", number)
