"""The page's files, read once when the service starts and answered from memory with an entity tag.

All of them together are smaller than one photograph, so no cache on the disk and no build step is worth its trouble.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
ICON = "icon.svg"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StaticFile:
    """A file of the page.

    Attributes:
        content: Its bytes.
        media_type: Of its name.
        etag: Quoted, of its content.
    """

    content: bytes
    media_type: str
    etag: str


def read_static_files(folder: Path = FOLDER) -> Mapping[str, StaticFile]:
    """Every file below a folder whose kind is known, by its path from there with `/` between.

    Raises:
        OSError: If one cannot be read.
    """
    return {
        path.relative_to(folder).as_posix(): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(content, MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
