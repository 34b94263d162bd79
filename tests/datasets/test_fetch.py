import contextlib
import hashlib
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from copycost.datasets.fetch import fetch
from copycost.datasets.manifests import MANIFESTS, Manifest, RemoteFile
from copycost.errors import Busy, ConfigError, DataError

BODY = bytes(i * 7 % 251 for i in range(300_000))
CUT = 120_000


class Site:
    """What the server does: `answer` handles one request; `seen` are the headers it got."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = send
        self.url = ""

    def manifest(self, *names: str, body: bytes = BODY, attempts: int = 4) -> Manifest:
        md5 = hashlib.md5(body).hexdigest()
        names = names or ("file.bin",)
        files = tuple(RemoteFile(n, f"{self.url}/{n}", md5, len(body)) for n in names)
        return Manifest(files, attempts=attempts, pause=0.001, timeout=5)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.seen.append(dict(self.headers))
            # The client hangs up on a server that sends too much.
            with contextlib.suppress(ConnectionError):
                site.answer(self)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes = BODY,
    upto: int | None = None,
    tag: str = '"v1"',
    ranges: bool = True,
) -> None:
    """The file or the range asked for; cut off at byte `upto` of the file."""
    start = handler.headers.get("Range", "").removeprefix("bytes=").partition("-")[0]
    first = int(start) if start and ranges else 0
    if handler.headers.get("If-Range", tag) != tag:
        first = 0
    handler.send_response(206 if first else 200)
    if first:
        handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
    if tag:
        handler.send_header("ETag", tag)
    handler.send_header("Content-Length", str(len(body) - first))
    handler.end_headers()
    handler.wfile.write(body[first:upto])


def refuse(status: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: handler.send_error(status)


def in_turn(
    *answers: Callable[[BaseHTTPRequestHandler], None],
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Each answer once, and the last one ever after."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def cut(handler: BaseHTTPRequestHandler) -> None:
    send(handler, upto=CUT)


def _only(folder: Path) -> list[str]:
    """All that lies there but locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_plain_download(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    paths = fetch("x", tmp_path / "new", lambda *at: told.append(at), site.manifest())
    assert paths == [tmp_path / "new" / "file.bin"]
    assert paths[0].read_bytes() == BODY
    assert _only(tmp_path / "new") == ["file.bin"]
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)
    assert site.seen[0]["Accept-Encoding"] == "identity"


def test_two_files_are_one_progress(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch("x", tmp_path, lambda *at: told.append(at), site.manifest("a", "b"))
    assert _only(tmp_path) == ["a", "b"]
    assert told[-1] == (2 * len(BODY), 2 * len(BODY))
    assert told == sorted(told)


def test_a_verified_file_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    told: list[tuple[int, int]] = []
    fetch("x", tmp_path, lambda *at: told.append(at), site.manifest())
    assert site.seen == []
    assert told == [(len(BODY), len(BODY))]


def test_a_wrong_file_under_the_name_is_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY[::-1])
    fetch("x", tmp_path, manifest=site.manifest())
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_cut_connection_is_resumed(site: Site, tmp_path: Path) -> None:
    site.answer = in_turn(cut, send)
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert "Range" not in site.seen[0]
    assert site.seen[1]["Range"] == f"bytes={CUT}-"
    assert site.seen[1]["If-Range"] == '"v1"'
    assert _only(tmp_path) == ["file.bin"]


def test_a_later_run_resumes_an_earlier_one(site: Site, tmp_path: Path) -> None:
    site.answer = cut
    with pytest.raises(DataError, match=r"300,000 bytes, got 120,000 in 1 attempts"):
        fetch("x", tmp_path, manifest=site.manifest(attempts=1))
    assert _only(tmp_path) == ["file.bin.part", "file.bin.part.tag"]
    site.answer = send
    fetch("x", tmp_path, manifest=site.manifest())
    assert site.seen[1]["Range"] == f"bytes={CUT}-"
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_of_two_at_once_the_second_is_told_so_and_harms_nothing(site: Site, tmp_path: Path) -> None:
    told: list[str] = []

    def meanwhile(handler: BaseHTTPRequestHandler) -> None:
        with pytest.raises(Busy) as caught:
            fetch("x", tmp_path, manifest=site.manifest())
        told.append(str(caught.value))
        send(handler)

    site.answer = meanwhile
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert told[0].startswith(f"Another process is working on {tmp_path / 'file.bin'}")
    assert len(site.seen) == 1
    assert _only(tmp_path) == ["file.bin"]


def test_verified_files_are_found_where_nothing_can_be_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    monkeypatch.setattr(Path, "open", _read_only(Path.open))
    assert fetch("x", tmp_path, manifest=site.manifest()) == [tmp_path / "file.bin"]


def _read_only(real: Callable[..., Any]) -> Callable[..., Any]:
    def opened(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        if "r" not in mode:
            raise PermissionError(13, "Read-only")
        return real(path, mode, *more, **named)

    return opened


def test_a_server_without_ranges_starts_again(site: Site, tmp_path: Path) -> None:
    site.answer = in_turn(cut, lambda handler: send(handler, ranges=False))
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert len(site.seen) == 2


def test_a_changed_file_starts_again(site: Site, tmp_path: Path) -> None:
    other = BODY[::-1]
    site.answer = in_turn(
        lambda handler: send(handler, other, CUT, '"old"'), lambda handler: send(handler)
    )
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert site.seen[1]["If-Range"] == '"old"'
    assert len(site.seen) == 2


@pytest.mark.parametrize("tag", ["", 'W/"weak"', '"caf\xe9"'])
def test_without_a_strong_tag_a_mixed_file_is_found_and_fetched_once_more(
    site: Site, tmp_path: Path, tag: str
) -> None:
    other = BODY[::-1]
    site.answer = in_turn(
        lambda handler: send(handler, other, CUT, tag), lambda handler: send(handler, tag=tag)
    )
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert "If-Range" not in site.seen[1]
    assert "Range" not in site.seen[2]


def test_a_kept_tag_that_cannot_be_sent_is_left_out(site: Site, tmp_path: Path) -> None:
    """As written by earlier versions, or by a disk that is going bad."""
    (tmp_path / "file.bin.part").write_bytes(BODY[:CUT])
    (tmp_path / "file.bin.part.tag").write_bytes(b'"caf\xc3\xa9"')
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert "If-Range" not in site.seen[0]


def test_a_redirect_to_an_impossible_host_is_one_line(site: Site, tmp_path: Path) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"http://{'a' * 64}.example/")
        handler.end_headers()

    site.answer = elsewhere
    with pytest.raises(DataError, match=r"got 0 in 2 attempts \(.*label.*\)") as caught:
        fetch("x", tmp_path, manifest=site.manifest(attempts=2))
    assert "\n" not in str(caught.value)


def test_another_range_than_asked_for_is_not_appended(site: Site, tmp_path: Path) -> None:
    def wrong_range(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
        handler.send_header("Content-Length", str(len(BODY) - 5))
        handler.end_headers()
        handler.wfile.write(BODY[5:])

    site.answer = in_turn(cut, wrong_range, send)
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY


def test_corrupt_bytes_are_fetched_once_more(site: Site, tmp_path: Path) -> None:
    site.answer = in_turn(lambda handler: send(handler, BODY[::-1]), send)
    assert fetch("x", tmp_path, manifest=site.manifest())[0].read_bytes() == BODY
    assert len(site.seen) == 2


def test_twice_corrupt_bytes_are_an_error_with_both_digests(site: Site, tmp_path: Path) -> None:
    site.answer = lambda handler: send(handler, BODY[::-1])
    with pytest.raises(DataError) as caught:
        fetch("x", tmp_path, manifest=site.manifest())
    for body in (BODY, BODY[::-1]):
        assert hashlib.md5(body).hexdigest() in str(caught.value)
    assert len(site.seen) == 2
    assert _only(tmp_path) == []


def test_a_server_that_sends_too_much_does_not_fill_the_disk(site: Site, tmp_path: Path) -> None:
    site.answer = lambda handler: send(handler, BODY * 20)
    with pytest.raises(DataError, match="twice"):
        fetch("x", tmp_path, manifest=site.manifest())
    assert _only(tmp_path) == []


def test_a_missing_file_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    site.answer = refuse(404)
    with pytest.raises(DataError, match=r"/file\.bin: expected the file, got status 404"):
        fetch("x", tmp_path, manifest=site.manifest())
    assert len(site.seen) == 1


def test_a_busy_server_is_asked_again_but_not_for_ever(site: Site, tmp_path: Path) -> None:
    site.answer = in_turn(refuse(503), refuse(429), send)
    fetch("x", tmp_path, manifest=site.manifest())
    assert len(site.seen) == 3
    site.answer = refuse(503)
    with pytest.raises(DataError, match=r"in 4 attempts \(status 503\)"):
        fetch("x", tmp_path / "other", manifest=site.manifest())
    assert len(site.seen) == 3 + 4


def test_a_part_that_does_not_fit_is_dropped(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY + b"more")
    fetch("x", tmp_path, manifest=site.manifest())
    assert "Range" not in site.seen[0]
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_an_unsatisfiable_range_starts_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY[:10])
    site.answer = in_turn(refuse(416), send)
    fetch("x", tmp_path, manifest=site.manifest())
    assert "Range" not in site.seen[1]


def test_no_server_is_an_error_with_the_address(site: Site, tmp_path: Path) -> None:
    file = RemoteFile("f", "http://127.0.0.1:9/f", "0" * 32, 5)
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9/f: expected 5 bytes, got 0 in 2 attempts"):
        fetch("x", tmp_path, manifest=Manifest((file,), attempts=2, pause=0.001))


def test_a_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="cannot store x there"):
        fetch("x", tmp_path / "taken", manifest=site.manifest())


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "SOCKS"),
        ("ALL_PROXY", "telegraph://127.0.0.1:9", "Unknown scheme"),
        ("ALL_PROXY", "http://127.0.0.1:port", "Invalid port"),
        ("SSL_CERT_FILE", "/nowhere/at/all.pem", "No such file"),
    ],
)
def test_a_connection_that_cannot_be_set_up_says_why(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed, as far as can be seen
    monkeypatch.setenv(variable, value)
    with pytest.raises(DataError, match=rf"could not be set up \(.*{why}.*{variable}"):
        fetch("x", tmp_path, manifest=site.manifest())
    assert site.seen == []


def test_unknown_names_are_listed() -> None:
    with pytest.raises(ConfigError, match="Known: cifar10, svhn, fashion-mnist"):
        fetch("digits", Path("nowhere"))


def test_the_published_manifests() -> None:
    assert {name: len(source.files) for name, source in MANIFESTS.items()} == {
        "cifar10": 1,
        "svhn": 2,
        "fashion-mnist": 4,
    }
    assert all(len(f.md5) == 32 for source in MANIFESTS.values() for f in source.files)
