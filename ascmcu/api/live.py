# SPDX-License-Identifier: Apache-2.0
"""A page on this machine that shows hops as they come: one HTTP server, with server-sent events."""

from __future__ import annotations

import dataclasses
import json
import threading
import types
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ascmcu.errors import InputError
from ascmcu.results.live import Shown

HOST = "127.0.0.1"
# What a page that is opened late still sees, and after how many silent seconds a connection is kept by a comment.
_KEPT_HOPS = 3000
_COMMENT_S = 5.0


class LivePage:
    """Serves a page and what comes after; open between ``__enter__`` and ``__exit__``. Only this machine reaches it.

    Args:
        html: the page. It reads ``/hops``: events whose data are hops as JSON, then one named ``end``.
        port: 0 for any that is free.

    Raises:
        InputError: on entering, the port is taken.
    """

    def __init__(self, html: str, port: int = 0) -> None:
        self._html, self._asked = html.encode(), port
        self._kept: list[str] = []
        self._first = 0  # the number of the first one that is kept
        self._ended = False
        self._news = threading.Condition()

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        try:
            self._server = ThreadingHTTPServer((HOST, self._asked), _handler(self))
        except OSError as error:
            raise InputError(
                "the page cannot be served",
                where=f"{HOST}:{self._asked}",
                found=error.strerror,
                hint="name another --port",
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.end()
        self._server.shutdown()
        self._server.server_close()

    def tell(self, hop: Shown) -> None:
        """Show a hop."""
        with self._news:
            self._kept.append(json.dumps(dataclasses.asdict(hop), separators=(",", ":")))
            if len(self._kept) > _KEPT_HOPS:
                del self._kept[0]
                self._first += 1
            self._news.notify_all()

    def end(self) -> None:
        """No more hops come."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def after(self, number: int) -> tuple[int, list[str], bool]:
        """Hops from the ``number``-th on, which number follows them, and whether they are the last; waits for some."""
        with self._news:
            self._news.wait_for(lambda: self._ended or number < self._first + len(self._kept), _COMMENT_S)
            news = self._kept[max(number - self._first, 0) :]
            return self._first + len(self._kept), news, self._ended

    @property
    def html(self) -> bytes:
        """The page."""
        return self._html


def _handler(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Two addresses: the page, and the hops."""

        def do_GET(self) -> None:
            if self.path == "/":
                self._answer("text/html; charset=utf-8", len(page.html))
                self.wfile.write(page.html)
            elif self.path == "/hops":
                self._answer("text/event-stream", None)
                self._stream()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, kind: str, length: int | None) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()

        def _stream(self) -> None:
            number, ended = 0, False
            try:
                while not ended:
                    number, news, ended = page.after(number)
                    text = "".join(f"data: {each}\n\n" for each in news) or ": no news\n\n"
                    self.wfile.write((text + "event: end\ndata: 0\n\n" * ended).encode())
                    self.wfile.flush()
            except OSError:
                return  # the browser has gone

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the terminal shows events."""

    return Handler
