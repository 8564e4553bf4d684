"""The page over HTTP, for the browsers of this computer that were given its address.

Import it only where starlette and uvicorn are installed, which is an extra.
"""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from srae import __version__
from srae.demo_page.choices import find_choice, list_choices
from srae.demo_page.image_queue import MOST_IMAGES, DroppedImage, ImageQueue
from srae.errors import Interrupted, ResourceError, SraeError
from srae.files import resource_error
from srae.images.formats import EXTENSIONS
from srae.images.limits import MAX_PIXELS
from srae.report.webpage import WebPage
from srae.runs.signals import catch_signals
from srae.upscaling.backends import check_engine

ADDRESS = "127.0.0.1"
MAX_BYTES = 2**30
"""Of a file that is dropped."""
SCALES = (2, 3, 4)
"""That can be asked for instead of a model's own."""


class Page:
    """What the addresses of the page answer.

    Args:
        queue: that works on the images.
        runs_dir: folder of the runs that are offered as models.
    """

    def __init__(self, queue: ImageQueue, runs_dir: Path) -> None:
        self._queue, self._runs_dir = queue, runs_dir
        styles = ("report/page.css", "report/slider.css", "demo_page/page.css")
        scripts = ("report/slider.js", "demo_page/page.js")
        self._page = WebPage("demo_page/page.html", styles=styles, scripts=scripts)
        self.policy = (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src 'self' data:; "
            f"connect-src 'self'; style-src '{self._page.css_hash}'; script-src '{self._page.js_hash}'"
        )
        self.routes = [
            Route("/", self._show),
            Route("/images", self._list),
            Route("/images", self._receive, methods=["POST"]),
            Route("/images/{key}", self._remove, methods=["DELETE"]),
            Route("/images/{key}/result", self._show_result),
            Route("/images/{key}/layers/{number:int}", self._send_layer),
            Route("/images/{key}/download", self._download),
        ]

    def _show(self, request: Request) -> Response:
        groups, accepted = list_choices(self._runs_dir), ",".join(sorted(EXTENSIONS))
        text = self._page.render(
            groups=groups, scales=SCALES, accepted=accepted, max_bytes=MAX_BYTES, version=__version__
        )
        return HTMLResponse(text)

    def _list(self, request: Request) -> Response:
        return JSONResponse([image.describe() for image in list(self._queue.images.values())])

    async def _receive(self, request: Request) -> Response:
        query = request.query_params
        choice = await run_in_threadpool(find_choice, query.get("model", ""), self._runs_dir)
        scale = query.get("scale", "")
        if choice is None or scale not in ("", *map(str, SCALES)):
            return _refuse(400, "no such model or scale: load the page again")
        if len(self._queue.images) >= MOST_IMAGES:
            return _refuse(429, f"{MOST_IMAGES} images are kept at a time: remove some")
        image = self._queue.add(query.get("name", ""), choice, int(scale) if scale else None)
        try:
            await _store(request, image.source)
        except ClientDisconnect:
            self._queue.remove(image)
            return Response(status_code=400)
        except SraeError as error:
            self._queue.remove(image)
            return _refuse(413, f"{error.what}; {error.remedy}")
        self._queue.start(image)
        return JSONResponse(image.describe(), 201)

    def _remove(self, request: Request) -> Response:
        self._queue.remove(self._find(request))
        return Response(status_code=204)

    def _show_result(self, request: Request) -> Response:
        image = self._find_done(request)
        return HTMLResponse(self._page.render("demo_page/result.html", image=image, bytes=image.target.stat().st_size))

    def _send_layer(self, request: Request) -> Response:
        layers, number = self._find_done(request).views, request.path_params["number"]
        if not layers or number >= len(layers.layers):
            raise HTTPException(404)
        return FileResponse(layers.layers[number][1], media_type="image/png")

    def _download(self, request: Request) -> Response:
        image = self._find_done(request)
        return FileResponse(image.target, filename=image.result_name, media_type="application/octet-stream")

    def _find(self, request: Request) -> DroppedImage:
        image = self._queue.images.get(request.path_params["key"])
        if image is None:
            raise HTTPException(404)
        return image

    def _find_done(self, request: Request) -> DroppedImage:
        image = self._find(request)
        if image.state != "done":
            raise HTTPException(404)
        return image


def _refuse(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


async def _store(request: Request, path: Path) -> None:
    """Write the body of a request to a new file.

    Raises:
        ResourceError: it has too many bytes, or the disk is full.
        ClientDisconnect: it ended early.
    """
    count = 0
    try:
        with path.open("xb") as file:
            async for chunk in request.stream():
                count += len(chunk)
                if count > MAX_BYTES:
                    raise ResourceError(f"more than {MAX_BYTES:,} bytes", None, "use srae-upscale")
                file.write(chunk)
    except OSError as error:
        raise resource_error(error, path) from None


class _Guard:
    """Answers only what comes with the token, and tells the browser what the page may do.

    Args:
        token: first part of the path of every request.
        policy: content security policy.
    """

    def __init__(self, app: ASGIApp, *, token: str, policy: str) -> None:
        self._app, self._token = app, token.encode()
        self._headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",  # the address holds the token
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        given = scope["path"].lstrip("/").partition("/")[0].encode()
        known = secrets.compare_digest(given, self._token)
        app = self._app if known else PlainTextResponse("not found: use the address that srae demo printed", 404)
        await app(scope, receive, send_guarded)


def serve(
    runs_dir: Path,
    *,
    port: int,
    announce: Callable[[str], None],
    engine: str = "auto",
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Serve the page until a signal ends it; what was dropped and made is deleted then.

    Args:
        runs_dir: folder of the runs that are offered as models.
        port: of 127.0.0.1; 0: any that is free.
        announce: given the address, which holds a token.
        engine, device: that the networks run by and on, see `open_network`.
        max_pixels: of an image.

    Raises:
        ConfigError: no such engine or device.
        ResourceError: it is not available, or the port is in use or not allowed.
        Interrupted: by a signal.
    """
    check_engine(engine, device)
    with listen(port) as listener, catch_signals() as request, TemporaryDirectory(prefix="srae-demo-") as folder:
        queue = ImageQueue(Path(folder), engine=engine, device=device, max_pixels=max_pixels)
        token = secrets.token_urlsafe(24)
        server = uvicorn.Server(
            uvicorn.Config(
                build_app(Page(queue, runs_dir), token),
                lifespan="off",
                log_config=None,
                access_log=False,
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        # In a thread: there uvicorn leaves the signals to `catch_signals`.
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://{ADDRESS}:{listener.getsockname()[1]}/{token}/"
        try:
            announce(address)
            while thread.is_alive() and not request.wanted():
                thread.join(0.2)
        finally:
            server.should_exit = True
            thread.join()
            queue.close()
    if not request.wanted():
        raise SraeError("the server of the page has ended by itself", address, "this is a fault of srae: report it")
    raise Interrupted(request.signal_number, "stopped; the images that were dropped are deleted")


def build_app(page: Page, token: str) -> Starlette:
    """The page below ``/TOKEN/``, for requests to this computer by its name or loopback address."""
    # A host's own name in the header would mean that it has made this address its own (DNS rebinding).
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[ADDRESS, "localhost"], www_redirect=False)
    guard = Middleware(_Guard, token=token, policy=page.policy)
    return Starlette(routes=[Mount(f"/{token}", routes=page.routes)], middleware=[hosts, guard])


def listen(port: int) -> socket.socket:
    """Raises: ResourceError: the port is in use or not allowed."""
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        where, remedy = f"{ADDRESS}:{port}", "name another with --port, or --port 0 for any that is free"
        raise ResourceError(f"port {port} {why}", where, remedy) from None
