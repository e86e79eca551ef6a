"""An import as people do it: choose a file, see its columns, check, confirm, read the result."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from crm.agents.access import Role
from crm.agents.models import User
from crm.catalog.models import Order
from crm.imports import actions
from crm.imports.models import FileImport
from crm.jobs.models import Job
from tests.browser.conftest import assert_accessible, assert_fits, shot

GOOD = "订单号,客户编号,订单状态,付款时间,实付金额,备注\nO1,C1,已付款,2026/11/3 9:05,¥1234.5,无\n"
BAD = GOOD + "O2,C1,在路上,昨天,-5,无\n"
STYLES = [("wide", "light", "zh-hans"), ("phone", "dark", "en")]


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path, transactional_db):
    settings.MEDIA_ROOT = str(tmp_path / "media")


def upload(page, text):
    page.goto("/imports/")
    page.locator("select[name=kind]").select_option("orders")
    file = {"name": "十一月订单.csv", "mimeType": "text/csv", "buffer": text.encode("gb18030")}
    page.locator("input[type=file]").set_input_files(file)
    page.locator("main form[enctype] button").click()
    expect(page.locator("select[name=column_1]")).to_have_value("customer_id")


def work_off():
    """What the worker does when its doorbell rings."""
    waiting = Job.unsafe_all.get(state=Job.State.WAITING)
    actions.run_import(waiting.pk, now=timezone.now())


def test_a_file_goes_in_after_a_check(page_for):
    page = page_for(Role.OPERATOR)
    upload(page, GOOD)
    page.get_by_role("button", name="检查文件").click()
    expect(page.get_by_text("正在检查，不会改动任何数据")).to_be_visible()
    work_off()
    page.get_by_role("button", name="导入 1 行").click()
    expect(page.get_by_text("正在导入，可以离开本页")).to_be_visible()
    page.goto("/jobs/")
    expect(page.get_by_role("row").filter(has_text="十一月订单.csv").first).to_be_visible()
    work_off()
    page.get_by_role("link", name="导入文件 十一月订单.csv").click()
    expect(page.get_by_text("已导入").first).to_be_visible()
    assert Order.unsafe_all.get().amount_cents == 123_450


@pytest.mark.parametrize(("size", "theme", "language"), STYLES)
def test_each_step_is_readable_everywhere(page_for, size, theme, language):
    page = page_for(Role.OPERATOR, size=size, theme=theme, language=language)
    upload(page, BAD)
    found = FileImport.unsafe_all.get()
    address = f"/imports/{found.pk}/"
    mapping = found.mapping

    def look(name, path=address):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        shot(page, f"import-{name}-{size}-{language}", full=True)

    look("columns")
    actions.check_import(
        file_import=found, mapping=mapping, by=User.objects.get(), now=timezone.now()
    )
    look("working")
    page.goto("about:blank")  # The open page would load itself anew once the work is done.
    work_off()
    look("problems")
    look("list", "/imports/")
    look("jobs", "/jobs/")


def test_the_documentation_of_the_api_shows_its_endpoints(page_for):
    page = page_for(Role.OPERATOR)
    page.goto("/api/v1/docs/")
    expect(page.get_by_text("/api/v1/orders/").first).to_be_visible(timeout=15_000)
    page.get_by_text("/api/v1/orders/").first.click()
    expect(page.get_by_text("Idempotency-Key").first).to_be_visible()
    shot(page, "api-docs")
