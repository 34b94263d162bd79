"""Downloads official data sets: resumes, verifies, and names a file only once it is complete."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx2

from copycost.datasets.manifests import MANIFESTS, Manifest, RemoteFile
from copycost.errors import ConfigError, DataError
from copycost.files import sync_folder
from copycost.locks import Lock

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, over all files of the data set."""

_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may pass by the next attempt; any other refusal is final."""


class _Interrupted(Exception):
    """The file is not whole yet, and asking again may help."""


def fetch(
    name: str,
    folder: Path,
    progress: Progress = lambda done, total: None,
    manifest: Manifest | None = None,
) -> list[Path]:
    """Download the data set `name` into `folder` and return the paths of its files.

    A file that exists and is verified is not downloaded again; an interrupted download resumes
    from `FILE.part`. A file gets its name only once its size and digest are right. `manifest`
    replaces the usual addresses.

    Raises:
        ConfigError: there is nothing to fetch under `name`.
        Busy: another process is downloading one of the files to the same place.
        DataError: the server refuses, the connection is cut too often, the bytes are wrong
            twice, or they cannot be stored, or the environment asks for a proxy or
            certificates that cannot be used.
    """
    if manifest is None and name not in MANIFESTS:
        known = ", ".join(MANIFESTS)
        raise ConfigError(f"There is nothing to fetch for {name!r}. Known: {known}.")
    source = manifest or MANIFESTS[name]
    total, before, paths = sum(file.size for file in source.files), 0, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _client(source.timeout) as client:
            for file in source.files:
                report = _shifted(progress, before, total)
                paths.append(_Download(client, source, file, folder, report).run())
                before += file.size
    except OSError as error:
        advice = "free some space, or choose another folder"
        raise DataError(f"{folder}: cannot store {name} there ({error}); {advice}") from error
    return paths


def _client(timeout: float) -> httpx2.Client:
    """A client with the environment's proxy and certificates; `DataError` if they are unusable."""
    try:
        return httpx2.Client(timeout=timeout, follow_redirects=True)
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        raise DataError(
            f"The connection could not be set up ({error}); correct or unset the variables of "
            "the environment that name a proxy (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) or "
            "certificates (SSL_CERT_FILE, SSL_CERT_DIR)"
        ) from error


def _shifted(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


class _Download:
    """The download of one file: `.part` has its first bytes, `.part.tag` their version's ETag."""

    def __init__(
        self,
        client: httpx2.Client,
        source: Manifest,
        file: RemoteFile,
        folder: Path,
        report: Callable[[int], None],
    ) -> None:
        self.client, self.source, self.file, self.report = client, source, file, report
        self.target = folder / file.name
        self.part = folder / f"{file.name}.part"
        self.tag = folder / f"{file.name}.part.tag"
        # Never removed, as another process may already hold the lock on it.
        self.lock = folder / f".{file.name}.lock"

    def run(self) -> Path:
        """Download `target` unless it is there and verified; return it."""
        if self._is_right(self.target):
            self.report(self.file.size)
            return self.target
        with Lock(self.lock, str(self.target)):
            return self._download()

    def _download(self) -> Path:
        # Bytes may be damaged by chance, or because a part of an older version was resumed, so a
        # second, fresh download is worth its time; a third would only repeat the second.
        for _ in range(2):
            self._complete()
            if self._is_right(self.part):
                return self._accept()
            came = f"md5 {_digest(self.part)} and {self._held():,} bytes"
            self._discard()
        raise DataError(
            f"{self.file.url}: expected md5 {self.file.md5} and {self.file.size:,} bytes, got "
            f"{came}, twice; the server's file has changed or is altered on the way: try "
            f"another network, or put a verified copy at {self.target}"
        )

    def _is_right(self, path: Path) -> bool:
        if not path.is_file() or path.stat().st_size != self.file.size:
            return False
        return _digest(path) == self.file.md5

    def _accept(self) -> Path:
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        self.part.replace(self.target)
        self.tag.unlink(missing_ok=True)
        sync_folder(self.target.parent)
        return self.target

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _complete(self) -> None:
        """Ask until the server has sent the whole file, or `attempts` are used up."""
        reason = ""
        for attempt in range(self.source.attempts):
            if attempt:
                time.sleep(self.source.pause * 2 ** (attempt - 1))
            try:
                return self._ask()
            # A host name that cannot be encoded, as a redirect may have, is a `UnicodeError`.
            except (httpx2.RequestError, UnicodeError, _Interrupted) as error:
                reason = str(error) or type(error).__name__
        raise DataError(
            f"{self.file.url}: expected {self.file.size:,} bytes, got {self._held():,} in "
            f"{self.source.attempts} attempts ({reason}); run the command again to go on from "
            f"there, or put the file at {self.target} by hand"
        )

    def _ask(self) -> None:
        held = self._held()
        if held == self.file.size:
            return
        if held > self.file.size:
            self._discard()
            held = 0
        with self.client.stream("GET", self.file.url, headers=self._headers(held)) as answer:
            self._check_status(answer)
            resumed = answer.status_code == 206 and _first_byte(answer) == held
            if answer.status_code == 206 and not resumed:
                self._discard()
                raise _Interrupted("the server sent another range than was asked for")
            self._store(answer, held if resumed else 0)
        if self._held() < self.file.size:
            raise _Interrupted("the answer ended early")

    def _headers(self, held: int) -> dict[str, str]:
        # If compressed in transit, offsets and sizes would not be those of the file.
        headers = {"Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
            with suppress(FileNotFoundError, UnicodeError):
                headers["If-Range"] = self.tag.read_text("ascii")
        return headers

    def _check_status(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        if status in (200, 206):
            return
        if status == 416:
            self._discard()
        if status == 416 or status in _PASSING:
            raise _Interrupted(f"status {status}")
        raise DataError(
            f"{self.file.url}: expected the file, got status {status} {answer.reason_phrase}; "
            f"check the network, or put the file at {self.target} by hand"
        )

    def _store(self, answer: httpx2.Response, start: int) -> None:
        if not start:
            self._remember(answer)
        done = start
        with self.part.open("ab" if start else "wb") as file:
            # In pieces as they arrive: larger ones would be lost whole if the connection is cut.
            for block in answer.iter_raw():
                file.write(block)
                done += len(block)
                # A server that never stops sending must not fill the disk.
                if done > self.file.size:
                    return
                self.report(done)

    def _remember(self, answer: httpx2.Response) -> None:
        # If-Range requires a strong validator, as a weak tag may stand for other bytes. A tag
        # that is not ASCII cannot be sent.
        tag = answer.headers.get("ETag", "")
        if tag and tag.isascii() and not tag.startswith("W/"):
            self.tag.write_text(tag, "ascii")
        else:
            self.tag.unlink(missing_ok=True)


def _first_byte(answer: httpx2.Response) -> int:
    """The offset, 100 in `Content-Range: bytes 100-199/200`; -1 if there is none."""
    start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdecimal() else -1


def _digest(path: Path) -> str:
    # The data sets are published with MD5 digests. Some systems forbid MD5 except like this.
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
