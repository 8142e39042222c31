"""Static files under addresses that carry their content's hash, so that a browser may keep them for ever."""

import asyncio
import functools
import gzip
import hashlib
import importlib.metadata
import importlib.util
import mimetypes
import re
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

_FOLDER = Path(__file__).parent / "static"
_FOREVER = "public, max-age=31536000, immutable"
_TEXT = ("text/", "application/javascript", "image/svg+xml")


@dataclass
class Asset:
    """One file; its compressed form is made once and shared by all who ask, its plain one is sent in pieces."""

    path: Path
    digest: str
    media_type: str
    _zipped: bytes | None = field(default=None, repr=False)

    async def zipped(self) -> bytes:
        if self._zipped is None:
            self._zipped = await asyncio.to_thread(lambda: gzip.compress(self.path.read_bytes(), 6))
        return self._zipped


_OWN_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


class Assets:
    """The console's own files, and Plotly's bundle from the installed package, which is never imported for it."""

    def __init__(self) -> None:
        files = sorted(path for path in _FOLDER.rglob("*") if path.is_file())
        self._assets = {
            path.relative_to(_FOLDER).as_posix(): Asset(path, _digest(path.read_bytes()), _media_type(path)) for path in files
        }
        if (bundle := _plotly_bundle()) is not None:
            version = importlib.metadata.version("plotly")
            self._assets["vendor/plotly.min.js"] = Asset(bundle, _digest(version.encode()), "text/javascript")

    def address(self, name: str) -> str:
        """The path, below the console's prefix, of a file. Raises KeyError where there is none: a mistake in a template."""
        return f"/static/{self._assets[name].digest}/{name}"

    @functools.cached_property
    def plotly_style(self) -> str:
        """The id under which Plotly's bundle would add the style of its maps.

        It leaves that out where the id is taken; taken, the bundle runs under a policy that forbids inline styles.
        """
        bundle = self._assets.get("vendor/plotly.min.js")
        match = _OWN_STYLE.search(bundle.path.read_bytes()) if bundle else None
        return match[1].decode() if match else "no-map-style"

    async def serve(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("not found\n", 404, media_type="text/plain")
        current = request.path_params["digest"] == asset.digest
        headers = {
            "Cache-Control": _FOREVER if current else "no-cache",
            "ETag": f'"{asset.digest}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", "") or not asset.media_type.startswith(_TEXT):
            return FileResponse(asset.path, media_type=asset.media_type, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(await asset.zipped(), media_type=asset.media_type, headers=headers)


def _plotly_bundle() -> Path | None:
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        return None
    bundle = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return bundle if bundle.is_file() else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _media_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "text/plain"
