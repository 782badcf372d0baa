"""The pages in a real browser, from the real command; pictures of them are kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.dashboard import chromium
from tests.dashboard.command import running
from tests.dashboard.realistic import ERRORS, MATMUL, TARGET
from tests.dashboard.test_pages import HOSTILE, fill_with_hostility

#: Where the pictures go; version control ignores it.
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"

_TEXT = "document.body.innerText"
_PICTURES = (
    "[...document.images].map(one => [one.complete && one.naturalWidth > 300 && one.width > 300, "
    "one.alt.length > 30])"
)
_WIDE = "document.documentElement.scrollWidth <= window.innerWidth"


def test_the_dashboard_in_a_browser(path: Path) -> None:
    chromium.find()

    async def look(address: str) -> None:
        about = f"workload={MATMUL.hash}&target={TARGET.hash}"
        async with chromium.tab() as tab:
            await tab.open(address)
            text = await tab.ask(_TEXT)
            assert "Measured last: bert_softmax" in text
            assert "matmul_bias_relu" in text
            assert await tab.ask(_PICTURES) == [[True, True]]
            assert await tab.ask(_WIDE)
            await tab.screenshot(ARTIFACTS / "dashboard-overview.png")

            await tab.open(f"{address}workload?{about}")
            assert await tab.ask(_PICTURES) == [[True, True]] * 2
            assert await tab.ask("document.querySelectorAll('tbody tr').length") >= 30
            assert not await tab.ask("document.querySelector('pre').checkVisibility()")
            await tab.ask("document.querySelector('main > details > summary').click()")
            assert await tab.ask("document.querySelector('pre').checkVisibility()")
            assert "linalg.matmul" in await tab.ask(_TEXT)
            assert await tab.ask(_WIDE)
            await tab.screenshot(ARTIFACTS / "dashboard-workload.png")

            await tab.open(f"{address}failures")
            text = await tab.ask(_TEXT)
            assert all(f"{outcome} " in text and error in text for outcome, error in ERRORS.items())
            assert await tab.ask(_PICTURES) == [[True, True]]
            await tab.screenshot(ARTIFACTS / "dashboard-failures.png")

            await tab.open(f"{address}store/measurements")
            assert "rows sorted by seq descending" in await tab.ask(_TEXT)
            fill_with_hostility(path)
            await tab.open(f"{address}failures")
            assert HOSTILE in await tab.ask(_TEXT)
            assert await tab.ask("document.querySelectorAll('script').length") == 0
            assert tab.complaints == []
            assert all(one.startswith((address, "about:")) for one in tab.requests), tab.requests

    with running("--store", path) as server:
        asyncio.run(look(server.address))
        assert server.stop() == (0, "", "")
    assert (ARTIFACTS / "dashboard-overview.png").stat().st_size > 20_000


def test_without_a_browser_only_continuous_integration_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium.find()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        chromium.find()
