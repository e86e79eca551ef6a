"""A real browser on a real server; a console error or a foreign request fails the test."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)

from crm.agents.models import User
from tests.factories import make_user

# Playwright's event loop makes Django believe that its blocking calls come from async code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

# Workers, servers and browsers share two cores; patience costs nothing where all is well.
NAVIGATION_MS = 90_000
SETTLE_SECONDS = 10
expect.set_options(timeout=20_000)

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
SCREENSHOTS = Path(settings.BASE_DIR) / "var" / "screenshots"
_CANDIDATES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def chromium() -> str:
    """The browser to use: the variable CHROMIUM, else what stands on the PATH."""
    found = filter(
        None, map(shutil.which, filter(None, (os.environ.get("CHROMIUM"), *_CANDIDATES)))
    )
    path = next(found, None)
    if path is None:
        pytest.fail("no Chromium: install chromium-headless-shell, or name one in CHROMIUM")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        launched.close()


class Windows:
    """Opens pages on the live server and keeps what went wrong in them."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address
        self.problems: list[str] = []
        self.forgiven: list[str] = []
        self._contexts: list[BrowserContext] = []
        self._pages: list[Page] = []
        self._waiting: set[Request] = set()

    def open(
        self,
        user: User | None = None,
        *,
        size: str = "wide",
        theme: str = "light",
        language: str = "zh-hans",
    ) -> Page:
        """A page of this size, in the language and theme, signed in as ``user`` if there is one."""
        width, height = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            has_touch=size == "phone",
            base_url=self.address,
            reduced_motion="reduce",
        )
        self._contexts.append(context)
        context.set_default_timeout(NAVIGATION_MS)
        context.route(
            lambda url: not url.startswith((self.address, "data:", "blob:")), self._refuse
        )
        if user is not None:
            User.objects.filter(pk=user.pk).update(language=language)
            self._sign_in(context, user)
        self._add_cookie(context, settings.LANGUAGE_COOKIE_NAME, language)
        page = context.new_page()
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        # Playwright takes no methods of built-in types as listeners.
        page.on("request", lambda request: self._waiting.add(request))
        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: self._waiting.discard(request))
        self._pages.append(page)
        return page

    def forgive(self, words: str) -> None:
        """Expect console errors that hold these words, such as the status of a refusal."""
        self.forgiven.append(words)

    def unforgiven(self) -> list[str]:
        return [p for p in self.problems if not any(words in p for words in self.forgiven)]

    def close(self) -> None:
        """Let what a page has asked for be answered: the database is emptied next."""
        until = time.monotonic() + SETTLE_SECONDS
        for page in self._pages:
            while self._waiting and not page.is_closed() and time.monotonic() < until:
                page.wait_for_timeout(20)
        for context in self._contexts:
            context.close()

    def _sign_in(self, context: BrowserContext, user: User) -> None:
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        self._add_cookie(context, name, client.cookies[name].value)

    def _add_cookie(self, context: BrowserContext, name: str, value: str) -> None:
        context.add_cookies([{"name": name, "value": value, "url": self.address}])

    def _note_console(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _refuse(self, route: Route) -> None:
        self.problems.append(f"foreign request: {route.request.url}")
        route.abort()


@pytest.fixture
def windows(browser: Browser, live_server) -> Iterator[Windows]:
    opened = Windows(browser, live_server.url)
    yield opened
    opened.close()
    assert not opened.unforgiven()


@pytest.fixture
def page_for(windows: Windows) -> Callable[..., Page]:
    """``page_for("operator", size="phone", language="en", theme="dark", departments=[…])``: a new
    account of that role, signed in. A User in place of the role is taken as it is."""

    def open_as(who: str | User, *, size="wide", theme="light", language="zh-hans", **overrides):
        user = who if isinstance(who, User) else make_user(who, **overrides)
        return windows.open(user, size=size, theme=theme, language=language)

    return open_as


@pytest.fixture
def visitor_page(windows: Windows) -> Callable[..., Page]:
    """A page of somebody who has not signed in."""
    return windows.open


def shot(page: Page, name: str, *, full: bool = False) -> Path:
    """Write ``var/screenshots/<name>.png``."""
    path = SCREENSHOTS / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=full)
    return path


def assert_accessible(page: Page) -> None:
    """No finding of axe, in the state the page is in."""
    found = Axe().run(page).response["violations"]
    told = [
        f"{finding['id']}: {node['html'][:160]} ({node.get('failureSummary', '')[:200]})"
        for finding in found
        for node in finding["nodes"][:3]
    ]
    assert not told, f"{urlsplit(page.url).path}\n" + "\n".join(told)


def assert_fits(page: Page) -> None:
    """The page itself never scrolls sideways; only tables do, inside their own region."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], f"{page.url} is {width} px wide"
