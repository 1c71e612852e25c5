"""A real browser that pages are opened in, told what to do through its own pipe."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["NAMES", "Page", "document_of", "opened"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIETLY = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
)
_FLAGS = (
    *_QUIETLY,
    "--hide-scrollbars",
    "--window-size=1280,1500",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
)
_PATIENCE_S = 60.0


class Page:
    """One page in the browser; speaks the DevTools protocol."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._left, self._number, self._session = b"", 0, ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Do something, and wait for what comes of it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            part = os.read(self._reading, 1 << 16)
            assert part, "the browser is gone"
            self._left += part
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        done = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait until an expression is true."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if found := self.run(script):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def picture(self) -> bytes:
        """What the page looks like now, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot")["data"])


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Page]:
    """A file in the browser, from disk, as a double click opens it."""
    from_us, to_them = os.pipe()
    from_them, to_us = os.pipe()
    # The browser reads from its file 3 and writes to its file 4.
    plumbed = ["bash", "-c", f'exec "$@" 3<&{from_us} 4>&{to_us}', "bash", _chromium()]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*plumbed, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(from_us, to_us),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (from_us, to_us):
            os.close(end)
        try:
            page = Page(from_them, to_them)
            page.send("Page.navigate", url=path.absolute().as_uri())
            page.until('document.documentElement?.dataset.ready === "1"')
            yield page
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)
            for end in (from_them, to_them):
                os.close(end)


def document_of(page: Path, *options: str, budget_ms: int = 8000) -> str:
    """What a page on disk has become after its scripts ran for a while of the browser's clock."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [
                _chromium(),
                *_QUIETLY,
                *options,
                f"--user-data-dir={profile}",
                f"--virtual-time-budget={budget_ms}",
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            timeout=120,
            check=True,
        )
    return done.stdout.decode("utf-8")


def _chromium() -> str:
    return next(filter(None, map(shutil.which, NAMES)))
