"""A hub of models on this machine, which speaks as much of the hub's language as fetching needs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["COMMIT", "serving"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def serving(folder: Path, *, name: str = "maker/small") -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as the model `name`; yields the address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            if path.startswith(f"/api/models/{name}/tree/"):
                tree = [
                    {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
                    for p in sorted(folder.iterdir())
                ]
                content, kind = json.dumps(tree).encode(), "application/json"
            elif path.startswith(f"/api/models/{name}"):
                files = [{"rfilename": p.name} for p in sorted(folder.iterdir())]
                content = json.dumps({"id": name, "sha": COMMIT, "siblings": files}).encode()
                kind = "application/json"
            elif path.startswith(f"/{name}/resolve/"):
                file = folder / path.rpartition("/")[2]
                content, kind = file.read_bytes(), "application/octet-stream"
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
