"""The inside of `bench pages`: find the pages, count their queries, let users open them."""

import http.client
import random
import re
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.db import connection
from django.test import Client, override_settings
from django.urls import resolve
from django.utils import timezone

from analytics.dashboards.benchdata import make_company
from analytics.events.compiling import compile_in_a_process, is_compiled
from analytics.events.refresh import refresh as refresh_columns
from analytics.replies.agents import keep_counts
from analytics.segments.index.building import refresh as refresh_segments
from crm.agents.models import User
from crm.callbacks.load.server import Server
from crm.customers.models import Customer
from crm.customers.queries import DEFAULT_SORT, CustomerFilter, customer_page

LINK = re.compile(r'href="([^"#]+)"')
LEFT_ALONE = ("/accounts/", "/admin/", "/static/", "/api/", "/media/")
OF_ONE_KIND = 2
THINKS_SECONDS = 1.0
FLOOR = "/healthz"
SEARCHES = ("王", "王伟", "芳", "陈静丽", "wang", "lx", "zhangm", "138", "C000000500", "赵国")


def measure(customers: int, users: int, seconds: int) -> dict[str, Any]:
    """Everything, on an empty database."""
    if Customer.unsafe_all.exists():
        raise RuntimeError("bench pages --here needs an empty database")
    begun = time.perf_counter()
    logins = make_company(customers)
    refresh_columns()
    refresh_segments(now=timezone.now())
    keep_counts(now=timezone.now())
    if not is_compiled():
        compile_in_a_process()  # As the worker does once per installation.
    loaded = time.perf_counter() - begun
    clients = [_signed_in(user) for user in logins]
    # What a page costs alone is told without answers that were kept; the visits have them.
    with override_settings(ANSWERS_LAST=False):
        pages = {
            user.role: list(_pages(client)) for user, client in zip(logins, clients, strict=True)
        }
    queries = {
        f"{role} {url}": count for role, some in pages.items() for url, _name, count, _s in some
    }
    searches = _searches(logins[0])
    with Server("config.wsgi:application", FLOOR) as server:
        found = _visits(server.port, logins, clients, pages, users, seconds)
    return _report(found, queries, searches, pages, customers, users, loaded)


def _report(found, queries, searches, pages, customers, users, loaded) -> dict[str, Any]:
    floor = found.pop(FLOOR)
    named = {f"{role} {url}": name for role, some in pages.items() for url, name, _n, _s in some}
    alone = {f"{role} {url}": s for role, some in pages.items() for url, _name, _n, s in some}
    rows = []
    for key, times in found.items():
        rows.append(
            {
                "page": named[key],
                "url": key,
                "visits": len(times),
                "p50_ms": _ms(statistics.median(times)),
                "p95_ms": _p95(times),
                "alone_ms": _ms(alone[key]),
                "queries": queries[key],
            }
        )
    rows.sort(key=lambda row: -row["p95_ms"])
    by_page = defaultdict(list)
    for key, times in found.items():
        by_page[named[key]] += times
    worst = max(by_page, key=lambda name: _p95(by_page[name]))
    return {
        "scale": {"customers": customers, "users": users, "load_s": round(loaded, 1)},
        "measured": {
            "worst_p95_ms": _p95(by_page[worst]),
            "worst_page": worst,
            "p95_ms": _p95([t for times in found.values() for t in times]),
            "customer_list_p95_ms": _p95(by_page["crm:customers:list"]),
            "profile_p95_ms": _p95(by_page["crm:customers:profile"]),
            "search_p95_ms": _p95(searches),
            "worst_alone_ms": _ms(max(alone.values())),
            "most_queries": max(queries.values()),
            "requests": sum(len(times) for times in found.values()),
            "pages": rows,
        },
        "rivals": {"healthz": {"p50_ms": _ms(statistics.median(floor)), "p95_ms": _p95(floor)}},
        "ratios": {"worst_over_healthz": round(_p95(by_page[worst]) / max(_p95(floor), 0.1), 1)},
        "goals": {"worst_p95_ms": 300, "search_p95_ms": 50},
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _p95(times: list[float]) -> float:
    ordered = sorted(times)
    return _ms(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]) if ordered else 0.0


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _pages(client: Client) -> Iterator[tuple[str, str, int, float]]:
    """(address, name, queries, seconds) of every linked page; the second visit is counted."""
    waiting, seen, kinds = ["/"], {"/"}, Counter()
    while waiting:
        url = waiting.pop(0)
        response = client.get(url)
        if response.status_code in (301, 302):
            response = client.get(urljoin(url, response["Location"]))
        if response.streaming or "text/html" not in response.get("Content-Type", ""):
            continue
        html = response.content.decode()
        if response.status_code == 200:
            counter, begun = _Counter(), time.perf_counter()
            with connection.execute_wrapper(counter):
                client.get(url)
            alone = time.perf_counter() - begun
            yield url, resolve(urlsplit(url).path).view_name, counter.count, alone
        for link in LINK.findall(html):
            target = urljoin(url, unescape(link))
            path = urlsplit(target).path
            if not target.startswith("/") or path.startswith(LEFT_ALONE) or target in seen:
                continue
            kind = resolve(path).view_name or ""
            if "export" in kind or kinds[kind] >= OF_ONE_KIND:
                continue
            kinds[kind] += 1
            seen.add(target)
            waiting.append(target)


class _Counter:
    """Counts statements; a wrapper leaves COPY alone, which the debugging cursor does not."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, *args: Any) -> Any:
        self.count += 1
        return execute(*args)


def _searches(user: User) -> list[float]:
    times = []
    for _round in range(3):
        for words in SEARCHES:
            begun = time.perf_counter()
            customer_page(user, CustomerFilter(q=words), sort=DEFAULT_SORT, params={})
            times.append(time.perf_counter() - begun)
    return times


def _warm_up(port: int, logins: list[User], clients: list[Client], pages: dict) -> None:
    """Every page three times: both worker processes have seen it before anybody is timed.

    A connection stays with one process, so each visit has its own.
    """
    for login, client in zip(logins, clients, strict=True):
        for url, *_told in pages[login.role] * 3:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            line.request("GET", url, headers={"Cookie": _cookies(client)})
            line.getresponse().read()
            line.close()


def _cookies(client: Client) -> str:
    return "; ".join(f"{one.key}={one.value}" for one in client.cookies.values())


def _visits(
    port: int,
    logins: list[User],
    clients: list[Client],
    pages: dict[str, list[tuple[str, str, int, float]]],
    users: int,
    seconds: int,
) -> dict[str, list[float]]:
    """Seconds of every visit by ``role url``; the floor under its own address."""
    found: dict[str, list[float]] = defaultdict(list)
    guard = threading.Lock()
    _warm_up(port, logins, clients, pages)
    until = time.monotonic() + seconds
    failures: list[str] = []

    def visit(number: int) -> None:
        login, client = logins[number % len(logins)], clients[number % len(clients)]
        cookies = _cookies(client)
        dice = random.Random(number)  # noqa: S311 - chooses pages, not secrets
        urls = [url for url, *_told in pages[login.role]]
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            # Nobody comes in the same instant as everybody else.
            time.sleep(dice.expovariate(1 / THINKS_SECONDS))
            if time.monotonic() >= until:
                return
            url = FLOOR if dice.random() < 0.05 else dice.choice(urls)
            begun = time.perf_counter()
            line.request("GET", url, headers={"Cookie": cookies})
            response = line.getresponse()
            response.read()
            spent = time.perf_counter() - begun
            with guard:
                found[url if url == FLOOR else f"{login.role} {url}"].append(spent)
                if response.status >= 400:
                    failures.append(f"{login.role} {url}: {response.status}")

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} pages failed: {failures[:3]}")
    return found
