"""What the travel company sells: routes, and orders for them, for hotels and for flights."""

from . import names
from .clock import DAY
from .dice import Dice, Weighted
from .past import Past

PRODUCTS = Weighted(["route", "hotel", "flight"], [5, 3, 3])
STATUS = Weighted(["paid", "refunded", "cancelled"], [88, 6, 6])
ROUTES = 500


def make_routes(past: Past, dice: Dice, *, count: int = ROUTES) -> None:
    for number in range(1, count + 1):
        destination = dice.choice(names.DESTINATIONS)
        theme = dice.choice(names.THEMES)
        days = dice.choice([2, 3, 4, 5, 5, 6, 7, 8, 10, 12])
        price = round(days * dice.uniform(260, 1450), 0) - 1
        past.routes.append(
            {
                "route_id": f"R{number:04d}",
                "title": f"{destination}{theme}{days}日游",
                "destination": destination,
                "days": days,
                "price": f"{price:.2f}",
                "departure_city": dice.choice(names.CITIES),
                "theme": theme,
            }
        )


def place_order(past: Past, dice: Dice, customer_id: str, at: float, *, kind: str = "") -> bool:
    """One order at this moment, unless that lies in the future."""
    if at >= past.epoch:
        return False
    order = make_order(past.routes, dice, at, kind=kind)
    past.orders.append({"customer_id": customer_id, "paid_at": at, **order})
    return True


def make_order(routes: list[dict], dice: Dice, at: float, *, kind: str = "") -> dict:
    kind = kind or PRODUCTS.draw(dice)
    route = dice.choice(routes)
    destination, days = route["destination"], route["days"]
    if kind == "route":
        product, amount = route["title"], float(route["price"]) * dice.choice([1, 2, 2, 2, 3, 4])
    elif kind == "hotel":
        days = dice.randint(1, 5)
        product, amount = f"{destination}酒店", days * dice.uniform(260, 1900)
    else:
        days = dice.randint(2, 9)
        product = f"{route['departure_city']}—{destination}机票"
        amount = dice.uniform(420, 5200)
    start = at + dice.randint(5, 60) * DAY
    return {
        "status": STATUS.draw(dice),
        "amount": f"{amount:.2f}",
        "currency": "CNY",
        "product": product,
        "destination": destination,
        "start": start,
        "end": start + (days - 1) * DAY,
    }
