"""A headless Chromium that a test drives: over a pipe, by its DevTools protocol, without another library.

Its host resolver knows no name and no address but this machine's, so that a page which needs the network fails.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)


def program() -> str:
    """The path of Chromium; without one the test is skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"there is no Chromium here: none of {', '.join(NAMES)} is on the PATH")
    return found


_GOING = "Inspected target navigated or closed"


class PageError(Exception):
    """A script of the page raised, or what was waited for did not come."""


class Page:
    """A tab. ``requests`` are the addresses that it asked for, ``console`` what its scripts complained of."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session
        self.requests: list[str] = []
        self.console: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, parameters, self.session)

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        told = self.call("Page.navigate", url=url)
        if told.get("errorText"):
            raise PageError(f"{url}: {told['errorText']}")
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url.split('#')[0])})")

    def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript; of a promise, what it comes to."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return told["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> Any:
        """Wait until an expression of JavaScript is true, and return its value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found = self.evaluate(condition)
            except PageError as error:
                if _GOING not in str(error):
                    raise
                found = None  # asked of a page that another one takes the place of
            if found:
                return found
            time.sleep(0.02)
        raise PageError(f"{condition} did not become true in {seconds} s; the console says {self.console}")

    def press(self, key: str, *, control: bool = False) -> None:
        """Press a key of the keyboard where the focus is."""
        codes = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), " ": (32, " ")}
        code, text = codes[key]
        stroke = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        if control:
            stroke["modifiers"] = 2
        self.call("Input.dispatchKeyEvent", type="keyDown", **stroke, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **stroke)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.console.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.console.append(str([one.get("value", one.get("description")) for one in told["args"]]))


class Browser:
    """A Chromium that listens on a pipe."""

    def __init__(self, folder: str) -> None:
        to_it, from_us = os.pipe()
        to_us, from_it = os.pipe()

        def place() -> None:  # the protocol reads descriptor 3 and writes descriptor 4
            held = os.dup(to_it), os.dup(from_it)
            os.dup2(held[0], 3)
            os.dup2(held[1], 4)

        self.process = subprocess.Popen(
            [program(), *_OPTIONS, f"--user-data-dir={folder}"],
            pass_fds=(3, 4),
            preexec_fn=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_it)
        os.close(from_it)
        self._write, self._read = from_us, to_us
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open a tab, and close it in the end."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        self._pages[session] = page
        yield page
        del self._pages[session]
        self.call("Target.closeTarget", {"targetId": target})

    def call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Ask for something and wait for the answer; events that come meanwhile are heard by their tab."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self._write, text) :]
        while True:
            told = self._message()
            if told.get("id") == self._number:
                if "error" in told:
                    raise PageError(f"{method}: {told['error']['message']}")
                return told["result"]
            page = self._pages.get(told.get("sessionId", ""))
            if page is not None and "method" in told:
                page.hear(told["method"], told["params"])

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], 60)[0]:
                raise PageError("Chromium does not answer")
            got = os.read(self._read, 1 << 20)
            if not got:
                raise PageError("Chromium has gone")
            self._buffer += got
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def close(self) -> None:
        try:
            self.call("Browser.close", {})
            self.process.wait(10)
        except (PageError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        for descriptor in (self._write, self._read):
            os.close(descriptor)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            yield browser
        finally:
            browser.close()
