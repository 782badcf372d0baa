"""A headless Chromium, steered by its own protocol: what a page did, and how it looks."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

#: Seconds for anything that a browser does; a busy machine takes long.
WAIT_S = 60.0
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str:
    """The browser. Where there is none the test is skipped, or fails in continuous integration."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        missing = "no Chromium here: install it, as by `apt-get install chromium`"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Tab:
    """A page, what it asked the network for, and what it complained of."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def open(self, url: str) -> None:
        """Go there and wait until all is loaded."""
        loaded = f"document.readyState === 'complete' && location.href === {json.dumps(url)}"
        await self.call("Page.navigate", url=url)
        for _ in range(int(WAIT_S * 20)):
            if await self.ask(loaded):
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{url} did not load")

    async def ask(self, script: str) -> Any:
        """The value of a script; None where it has none."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    async def screenshot(self, path: Path) -> None:
        """The whole page, as a PNG."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": 1280, "height": min(size["height"], 6000), "scale": 1}
        shot = await self.call(
            "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
        )
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol; events that come before its answer are remembered."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": parameters}
        await self._socket.write_message(json.dumps(asked))
        while True:
            text = await asyncio.wait_for(self._socket.read_message(), WAIT_S)
            assert text is not None, "the browser has gone"
            message = json.loads(text)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event["method"] == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"]["text"])
        elif event["method"] == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {about['message']}")


@asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    """A tab of a browser of its own, 1280 pixels wide."""
    browser = find()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--window-size=1280,900", "--remote-debugging-port=0", "--no-first-run",
             "--disable-dev-shm-usage", f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            opened = Tab(await websocket_connect(await _address(process, Path(profile))))
            for domain in ("Page", "Network", "Log", "Runtime"):
                await opened.call(f"{domain}.enable")
            yield opened
        finally:
            process.terminate()
            process.wait(WAIT_S)


async def _address(process: subprocess.Popen[bytes], profile: Path) -> str:
    """Of the page that it begins with."""
    told = profile / "DevToolsActivePort"
    for _ in range(int(WAIT_S * 20)):
        assert process.poll() is None, "the browser did not start"
        if told.is_file() and (port := told.read_text().partition("\n")[0]):
            reply = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json/list")
            pages = [each for each in json.loads(reply.body) if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(0.05)
    pytest.fail("the browser opened no page")
