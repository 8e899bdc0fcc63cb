"""The pages' files, each read and packed once, and sent once: then the browser knows its tag."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from btc_ai.api.threads import in_thread
from btc_ai.dashboard.errors import NotFoundError

FOLDER = Path(__file__).with_name("static")
INDEX = "index.html"
PACKED_TYPES = ("text/", "application/json", "image/svg")
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".webmanifest": "application/json"}
Stamp = tuple[int, int]


@dataclass(frozen=True)
class _File:
    stamp: Stamp
    body: bytes
    packed: bytes | None
    tag: str
    media: str


class Static:
    """The files of one folder, by their names in it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Nothing is read yet."""
        self._folder = folder.resolve()
        self._files: dict[str, _File] = {}

    async def index(self, request: Request) -> Response:
        """The one page; which of its views is shown, it reads from its address."""
        return await self._send(request, INDEX)

    async def missing(self, request: Request) -> Response:
        """The same page, which says then that there is none at this address."""
        return await self._send(request, INDEX, 404)

    async def file(self, request: Request) -> Response:
        """A file by its name."""
        return await self._send(request, request.path_params["name"])

    async def _send(self, request: Request, name: str, status: int = 200) -> Response:
        found = await in_thread(lambda: self._find(name))
        headers = {"ETag": found.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if status == 200 and found.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.packed, status, media_type=found.media, headers=headers)
        return Response(found.body, status, media_type=found.media, headers=headers)

    def _find(self, name: str) -> _File:
        """Raises NotFoundError for what is not in the folder."""
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder) or not path.is_file():
                raise NotFoundError(f"there is no {name[:100]}")
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._files.get(name)
            if known is None or known.stamp != stamp:
                known = self._files[name] = _read(path, stamp)
        except (OSError, ValueError):
            raise NotFoundError(f"there is no {name[:100]}") from None
        return known


def _read(path: Path, stamp: Stamp) -> _File:
    body = path.read_bytes()
    media = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    media = media or "application/octet-stream"
    packed = gzip.compress(body, 9, mtime=0) if media.startswith(PACKED_TYPES) else None
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return _File(stamp, body, packed, tag, media)
