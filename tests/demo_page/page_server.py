"""The page in this process, on a port of its own, and requests to it as a browser makes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install 'srae[demo]'")
pytest.importorskip("starlette", reason="starlette is not installed: pip install 'srae[demo]'")
import uvicorn

from srae.demo_page.image_queue import ImageQueue
from srae.demo_page.server import ADDRESS, Page, build_app, listen
from srae.images.limits import MAX_PIXELS

TOKEN = "token-of-a-test"
PATIENCE = 60  # seconds after which something is taken to wait for ever


class Client:
    """Args: port: of the page; token: the first part of its paths."""

    def __init__(self, port: int, token: str, queue: ImageQueue | None = None) -> None:
        self.port, self.token, self.queue = port, token, queue
        self.stop = lambda: None

    @property
    def address(self) -> str:
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        """The answer and its content; `path` is below the token, or whole where it begins with a slash."""
        connection = HTTPConnection(ADDRESS, self.port, timeout=PATIENCE)
        whole = path if path.startswith("/") else f"/{self.token}/{path}"
        connection.request(method, whole, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def drop(self, name: str, content: bytes, *, model: str = "shipped:tiny", scale: str = "") -> Any:
        """What the page says of an image right after it was dropped."""
        query = urlencode({"name": name, "model": model, "scale": scale})
        answer, text = self.ask("POST", f"images?{query}", content)
        return json.loads(text) | {"status": answer.status}

    def state(self, key: str) -> Any:
        return next(image for image in json.loads(self.ask("GET", "images")[1]) if image["key"] == key)

    def wait(self, key: str, *states: str) -> Any:
        self.wait_until(lambda: self.state(key)["state"] in (states or ("done", "failed")))
        return self.state(key)

    def wait_until(self, comes: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not comes():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def enlarge(self, name: str, content: bytes, **more: str) -> Any:
        return self.wait(self.drop(name, content, **more)["key"])

    def download(self, key: str) -> bytes:
        return self.ask("GET", f"images/{key}/download")[1]


@contextmanager
def serve_page(folder: Path, runs_dir: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Client]:
    """Args: folder: for what is dropped; everything in it is of the page."""
    queue = ImageQueue(folder, engine="auto", device="cpu", max_pixels=max_pixels)
    app = build_app(Page(queue, runs_dir), TOKEN)
    with listen(0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join()
            listener.close()

        client = Client(listener.getsockname()[1], TOKEN, queue)
        client.stop = stop
        try:
            yield client
        finally:
            stop()
            queue.close()
