"""DuckDB-WASM, the engine of the explorer: two files of one pinned version, given, kept from before, or fetched."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from omopsql.errors import OmopsqlError

VERSION = "1.32.0"  # holds DuckDB 1.4.3
FILES = {  # what the explorer needs of the package, and its SHA-512 as npm writes it
    "duckdb-browser-eh.worker.js": (
        "lGimtF4JQW4rSe2X7qyMg9t1glNmXRcrOYoegDKPSVia05+aCg/vt9mTy2pH3tw3gegul8/VimUT5LGmV0kgwg=="
    ),
    "duckdb-eh.wasm": "Zt57uGaO/Qx2A9T1Bx4f7mCrMCtT4vArK2ar8LYvDrE+3gtCuUMaYl9HCu7Vg17syKaZSIxlNkd7nNprD/2Hfw==",
}
PACKAGE = f"@duckdb/duckdb-wasm@{VERSION}"
_PACKAGE_SHA512 = "IewXTNYEjsZCPE9weUWgtjGxUlMRo7qhX0GF6tq/KjK8bnY+RAl4cyUdYUfcdzbyb4b9ZxPC+FOsCcxgaKFWMg=="
_REGISTRY = "https://registry.npmjs.org"
_TARBALL = f"duckdb-wasm-{VERSION}.tgz"
_LONGEST_ANSWER = 120  # seconds
_LARGEST = 64 << 20  # bytes of a package

Read = Callable[[str], bytes]


def engine_files(given: Path | None = None) -> dict[str, bytes]:
    """Return the files of the engine by name: of the package ``given`` (a .tgz or its unpacked folder), else fetched.

    A package that was fetched is kept in the user's cache folder. Raises OmopsqlError when the files cannot be had, or
    are not those of the pinned version.
    """
    if given is None:
        return _checked(_of_tarball(kept() or _fetched()), f"what the npm registry holds as {PACKAGE}")
    if given.is_dir():
        return _checked(_of_folder(given), str(given))
    if not given.is_file():
        raise OmopsqlError(f"there is no {given}; give the package {PACKAGE} as npm pack writes it, or unpacked")
    return _checked(_of_tarball(given.read_bytes()), str(given))


def _checked(read: Read, where: str) -> dict[str, bytes]:
    found = {}
    for name, sha512 in FILES.items():
        content = read(name)
        if _sha512(content) != sha512:
            raise OmopsqlError(f"{name} of {where} is not that of {PACKAGE}; npm pack {PACKAGE} gets the right one")
        found[name] = content
    return found


def _sha512(content: bytes) -> str:
    """Return the SHA-512 as npm writes it."""
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


def _of_folder(folder: Path) -> Read:
    def read(name: str) -> bytes:
        places = (folder / name, folder / "dist" / name, folder / "package" / "dist" / name)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise OmopsqlError(f"{folder} holds no {name}; give the unpacked package {PACKAGE}")
        return found.read_bytes()

    return read


def _of_tarball(content: bytes) -> Read:
    def read(name: str) -> bytes:
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
                member = archive.extractfile(f"package/dist/{name}")
                return b"" if member is None else member.read()
        except (tarfile.TarError, KeyError, OSError, EOFError) as error:
            raise OmopsqlError(f"no {name} can be read from the package {PACKAGE}: {error}") from None

    return read


def kept() -> bytes | None:
    """Return the package from the cache, unless it is damaged."""
    place = _cache() / _TARBALL
    if not place.is_file():
        return None
    content = place.read_bytes()
    return content if _sha512(content) == _PACKAGE_SHA512 else None


def _fetched() -> bytes:
    """Fetch the package from the npm registry and keep it."""
    address = f"{_registry()}/@duckdb/duckdb-wasm/-/{_TARBALL}"
    try:
        with urllib.request.urlopen(address, timeout=_LONGEST_ANSWER) as answer:
            content: bytes = answer.read(_LARGEST)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise OmopsqlError(
            f"{address} cannot be fetched ({reason}); run npm pack {PACKAGE} where there is a network, and give the "
            f"file as --explorer"
        ) from None
    if _sha512(content) != _PACKAGE_SHA512:
        raise OmopsqlError(f"what {address} answers is not {PACKAGE}: its SHA-512 differs; nothing of it is used")
    _keep(content)
    return content


def _keep(content: bytes) -> None:
    """Keep the package for the next time; where nothing can be kept, it is fetched again."""
    place = _cache() / _TARBALL
    part = place.with_suffix(f".{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(place)
    except OSError:
        part.unlink(missing_ok=True)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "omopsql"


def _registry() -> str:
    """Return the address of the npm registry: of the environment, of npm's settings, or the public one."""
    told = _of_environment() or _of_npm()
    return (told if told.startswith(("http://", "https://")) else _REGISTRY).rstrip("/")


def _of_environment() -> str:
    return next((value for name, value in os.environ.items() if name.lower() == "npm_config_registry"), "")


def _of_npm() -> str:
    npm = shutil.which("npm")
    if npm is None:
        return ""
    asked = [npm, "config", "get", "registry"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
