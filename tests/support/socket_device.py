# SPDX-License-Identifier: Apache-2.0
"""A device behind a TCP port, as an emulator or ser2net offers one: a runner's link, or answers made by hand."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from ascmcu.runners.base import Runner
from tests.support.patience import HANG_S


@contextlib.contextmanager
def served(device: Runner) -> Iterator[str]:
    """The URL of a port behind which ``device`` runs; entered and left here. One client at a time."""
    with device:

        def exchange(data: bytes) -> bytes:
            if data:
                device.write(data, HANG_S)
            return device.read(0.001)

        with _door(exchange) as url:
            yield url


@contextlib.contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """The URL of a port that says ``answer(data)`` to whatever comes."""
    with _door(lambda data: answer(data) if data else b"") as url:
        yield url


@contextlib.contextmanager
def _door(exchange: Callable[[bytes], bytes]) -> Iterator[str]:
    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.05)

        def serve() -> None:
            while not closing.is_set():
                try:
                    client, _ = door.accept()
                except TimeoutError:
                    continue
                with client, contextlib.suppress(OSError):
                    _talk(client, exchange, closing)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"socket://127.0.0.1:{door.getsockname()[1]}"
        finally:
            closing.set()
            thread.join(HANG_S)


def _talk(client: socket.socket, exchange: Callable[[bytes], bytes], closing: threading.Event) -> None:
    client.settimeout(0.005)
    while not closing.is_set():
        try:
            data = client.recv(4096)
            if not data:
                return
        except TimeoutError:
            data = b""
        answer = exchange(data)
        if answer:
            client.sendall(answer)
