"""Recorded queries: what was asked comes back, what is torn goes, what fails is said."""

from __future__ import annotations

import errno
import os
import struct
import threading
import zlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from copycost.errors import Busy, ConfigError, RunError, SpecMismatch
from copycost.oracle.ledger import Ledger, spent_in
from copycost.oracle.meter import CountedOracle, Meter
from copycost.oracle.transfer.frames import HEADER, Encoding, Layout, header, segments
from copycost.oracle.transfer.reader import TransferSet
from copycost.oracle.transfer.recorder import WAITING, Recorder
from copycost.oracle.transfer.segments import Appender
from copycost.testing import SpyVictim, tiny_victim
from copycost.types import Access, Answer, InputSpec, Modality

WIDE = InputSpec(shape=(2, 3, 5), low=-1.5, high=2.5)
TOKENS = InputSpec(shape=(6,), modality=Modality.TEXT, vocabulary=70_000)
SIZES = (7, 1, 12, 4)


def layout(
    spec: InputSpec = WIDE, access: Access = Access.PROBABILITIES, how: Encoding = Encoding.BYTES
) -> Layout:
    return Layout.choose(spec, 4, access, how)


def asked(spec: InputSpec, n: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    if spec.vocabulary is not None:
        return torch.randint(0, spec.vocabulary, (n, *spec.shape), generator=random)
    return spec.low + (spec.high - spec.low) * torch.rand(n, *spec.shape, generator=random)


def answered(access: Access, n: int, seed: int = 0) -> Answer:
    scores = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)).softmax(1)
    return Answer(access, scores.argmax(1), None if access is Access.LABEL else scores)


def record(
    folder: Path, kind: Layout, sizes: tuple[int, ...] = SIZES, **more: int
) -> list[tuple[Tensor, Answer]]:
    """Record batches of these sizes, with everything charged; returns what was handed over."""
    given, first = [], 0
    with Recorder(folder, kind, **more) as recorder:
        for seed, n in enumerate(sizes):
            given.append((asked(kind.spec, n, seed), answered(kind.access, n, seed)))
            recorder.put(first, *given[-1])
            first += n
    return given


@pytest.mark.parametrize("access", list(Access))
@pytest.mark.parametrize("spec", [WIDE, TOKENS], ids=["image", "tokens"])
@pytest.mark.parametrize("how", list(Encoding))
def test_what_was_asked_comes_back(
    tmp_path: Path, access: Access, spec: InputSpec, how: Encoding
) -> None:
    kind = layout(spec, access, how)
    given = record(tmp_path, kind)
    found = TransferSet(tmp_path)
    assert len(found) == sum(SIZES)
    first = 0
    for (x, answer), call in zip(given, found.calls(), strict=True):
        assert call.first == first
        first += len(x)
        assert torch.equal(call.labels, answer.labels)
        assert call.inputs.dtype == (torch.float32 if spec is WIDE else torch.int64)
        if answer.scores is None:
            assert call.scores is None
        else:
            assert call.scores is not None
            assert torch.equal(call.scores, answer.scores)
        if kind.encoding is Encoding.EXACT:
            assert torch.equal(call.inputs, x)
        else:
            half_a_level = (spec.high - spec.low) / 510
            assert float((call.inputs - x).abs().max()) <= half_a_level + 1e-6
            spec.check_range(call.inputs)


def test_bytes_are_for_images_only() -> None:
    assert layout(WIDE).encoding is Encoding.BYTES
    assert layout(TOKENS).encoding is Encoding.EXACT
    tabular = InputSpec(shape=(3,), modality=Modality.TABULAR)
    assert layout(tabular).encoding is Encoding.EXACT
    numbered = InputSpec(shape=(1, 4, 4), vocabulary=300)  # pixels by number
    assert layout(numbered).encoding is Encoding.EXACT


def test_a_frame_is_written_as_its_format_says() -> None:
    """What one version has written, another must read."""
    labels = [b"\x01\0\0\0", b"\x03\0\0\0"]
    checksum = zlib.crc32(struct.pack("<Q", 70_000) + struct.pack("<I", 2) + b"".join(labels))
    expected = b"CCQ1" + struct.pack("<IQI", 2, 70_000, checksum)
    assert header(70_000, 2, labels) == expected


def test_segments_come_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder lists its files in any order."""
    record(tmp_path, layout(), (9,) * 4, segment_bytes=1000)
    listed = sorted(tmp_path.glob("*.queries"), reverse=True)
    monkeypatch.setattr(Path, "glob", lambda *_: listed)
    assert [call.first for call in TransferSet(tmp_path).calls()] == [0, 9, 18, 27]


def test_bytes_come_back_as_the_bytes_they_were(tmp_path: Path) -> None:
    """A picture of 8 bits, as image services take them, loses nothing."""
    spec = InputSpec(shape=(1, 16, 16))
    x = torch.arange(256, dtype=torch.float32).view(1, 1, 16, 16) / 255
    with Recorder(tmp_path, layout(spec)) as recorder:
        recorder.put(0, x, answered(Access.PROBABILITIES, 1))
    (call,) = TransferSet(tmp_path).calls()
    torch.testing.assert_close(call.inputs, x, rtol=0, atol=1e-7)
    ((_, raw),) = TransferSet(tmp_path).raw()
    assert raw.inputs.reshape(-1).tolist() == list(range(256))
    assert not raw.inputs.flags.owndata, "memory-mapped"


@pytest.mark.parametrize(("size", "firsts"), [(64, [0, 64, 178, 242]), (100, [0, 150])])
def test_chunks_say_where_they_begin_also_after_a_gap(
    tmp_path: Path, size: int, firsts: list[int]
) -> None:
    """A crash between two calls was charged for fifty queries that nobody kept."""
    random = torch.Generator().manual_seed(0)
    with Recorder(tmp_path, layout()) as recorder:
        for first in (0, 150):
            x = torch.rand(100, *layout().spec.shape, generator=random)
            recorder.put(first, x, answered(Access.PROBABILITIES, 100))
    assert [chunk.first for chunk in TransferSet(tmp_path).chunks(size)] == firsts


@pytest.mark.parametrize("size", [1, 3, 5, 12, 24, 100])
def test_chunks_are_the_same_rows(tmp_path: Path, size: int) -> None:
    record(tmp_path, layout(), (*SIZES, 0, 30))
    found = TransferSet(tmp_path)
    chunks = list(found.chunks(size))
    total = len(found)
    expected = [size] * (total // size) + ([total % size] if total % size else [])
    assert [len(chunk.labels) for chunk in chunks] == expected
    assert [chunk.first for chunk in chunks] == list(range(0, total, size))
    for name in ("inputs", "labels", "scores"):
        whole = torch.cat([getattr(call, name) for call in found.calls()])
        assert torch.equal(torch.cat([getattr(chunk, name) for chunk in chunks]), whole)


@pytest.mark.parametrize("recorded", [sum(SIZES) - 1, sum(SIZES) + 1])
def test_a_set_of_another_number_than_was_recorded_is_damaged(
    tmp_path: Path, recorded: int
) -> None:
    record(tmp_path, layout())
    with pytest.raises(RunError, match=f"damaged: 24 of {recorded} queries can be read"):
        TransferSet(tmp_path, recorded=recorded)


@pytest.mark.parametrize("size", [0, -1])
def test_chunks_of_nothing_are_refused_at_once(tmp_path: Path, size: int) -> None:
    record(tmp_path, layout())
    with pytest.raises(ConfigError, match=f"at least one query, got {size}"):
        TransferSet(tmp_path).chunks(size)


def test_the_caller_may_reuse_its_tensors(tmp_path: Path) -> None:
    kind = layout(how=Encoding.EXACT)
    x, answer = asked(WIDE, 5), answered(Access.PROBABILITIES, 5)
    assert answer.scores is not None
    kept = x.clone(), answer.scores.clone(), answer.labels.clone()
    with Recorder(tmp_path, kind) as recorder:
        recorder.put(0, x, answer)
        for tensor in (x, answer.scores, answer.labels):
            tensor.zero_()
    (call,) = TransferSet(tmp_path).calls()
    assert call.scores is not None
    for found, wanted in zip((call.inputs, call.scores, call.labels), kept, strict=True):
        assert torch.equal(found, wanted)


def test_segments_are_many_and_do_not_depend_on_sessions(tmp_path: Path) -> None:
    kind, sizes = layout(), (9,) * 12
    record(tmp_path / "whole", kind, sizes, segment_bytes=1000)
    first = 0
    for at in range(0, 12, 5):
        with Recorder(tmp_path / "parts", kind, segment_bytes=1000) as recorder:
            assert recorder.recorded == first
            for seed in range(at, min(12, at + 5)):
                answer = answered(kind.access, 9, seed)
                recorder.put(first, asked(kind.spec, 9, seed), answer)
                first += 9
    whole, parts = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert len(segments(tmp_path / "whole")) > 3


def test_what_a_killed_process_had_half_written_is_cleared_away(tmp_path: Path) -> None:
    half = tmp_path / ".layout.json.77.partial"
    half.write_text("half")
    record(tmp_path, layout(), (5, 6))
    assert not half.exists()


def test_a_torn_tail_is_cut_at_the_last_whole_call(tmp_path: Path) -> None:
    kind = layout()
    record(tmp_path, kind, (5, 6))
    (path,) = segments(tmp_path)
    whole, start = path.read_bytes(), HEADER.size + 5 * kind.row_bytes
    for length in (start, start + 3, start + HEADER.size, len(whole) - 1):
        path.write_bytes(whole[:length])
        found = TransferSet(tmp_path, spent=11)
        assert (len(found), found.missing, found.torn_bytes) == (5, 6, length - start)
        assert [len(call.labels) for call in found.calls()] == [5]
        with Recorder(tmp_path, kind) as recorder:
            assert (recorder.recorded, recorder.torn_bytes) == (5, length - start)
            recorder.put(11, asked(WIDE, 6, 1), answered(kind.access, 6, 1))
        assert [call.first for call in TransferSet(tmp_path).calls()] == [0, 11]


@pytest.mark.parametrize("place", ["magic", "count", "first", "checksum", "input", "last"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, place: str) -> None:
    record(tmp_path, layout(), (5, 6))
    (path,) = segments(tmp_path)
    content = bytearray(path.read_bytes())
    at = {"magic": 0, "count": 4, "first": 8, "checksum": 16, "input": 40, "last": -1}[place]
    content[at] ^= 1
    path.write_bytes(content)
    found = TransferSet(tmp_path)
    if place == "magic":
        assert len(found) == 0, "what cannot be read as frames is a torn tail"
        assert found.torn_bytes == len(content)
        return
    with pytest.raises(RunError, match="damaged after"):
        list(found.calls())


@pytest.mark.parametrize("place", ["magic", "count", "first", "checksum", "input", "last"])
def test_what_is_cut_off_with_more_than_one_call_in_it_is_kept(tmp_path: Path, place: str) -> None:
    """One flipped bit must neither cost the paid queries after it nor end the run for good."""
    kind = layout()
    record(tmp_path, kind, (5, 6, 4))
    (path,) = segments(tmp_path)
    start, end = (n * kind.row_bytes + calls * HEADER.size for n, calls in ((5, 1), (11, 2)))
    content = bytearray(path.read_bytes())
    inside = {"magic": 0, "count": 6, "first": 8, "checksum": 16, "input": 40}
    content[start + inside[place] if place in inside else end - 1] ^= 1
    path.write_bytes(content)
    with Recorder(tmp_path, kind) as recorder:
        assert (recorder.recorded, recorder.torn_bytes) == (5, len(content) - start)
    assert path.read_bytes() == content[:start]
    (kept,) = tmp_path.glob("*.damaged")
    assert kept.read_bytes() == content[start:]


@pytest.mark.parametrize("place", [16, 40, -1])
def test_a_last_call_of_wrong_bytes_is_a_torn_tail(tmp_path: Path, place: int) -> None:
    """After a power cut a file can have its length before it has its bytes."""
    kind = layout()
    record(tmp_path, kind, (5, 6))
    (path,) = segments(tmp_path)
    content, start = bytearray(path.read_bytes()), HEADER.size + 5 * kind.row_bytes
    content[start + place if place > 0 else place] ^= 1
    path.write_bytes(content)
    with Recorder(tmp_path, kind) as recorder:
        assert (recorder.recorded, recorder.torn_bytes) == (5, len(content) - start)
    assert path.read_bytes() == content[:start]
    assert not list(tmp_path.glob("*.damaged"))


def test_a_segment_in_the_middle_must_be_whole(tmp_path: Path) -> None:
    kind = layout()
    record(tmp_path, kind, (9,) * 12, segment_bytes=1000)
    path = segments(tmp_path)[1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match="damaged"):
        TransferSet(tmp_path)
    with pytest.raises(RunError, match="damaged"):
        Recorder(tmp_path, kind)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    record(tmp_path, layout())
    with pytest.raises(RunError, match="other inputs, classes, access"):
        Recorder(tmp_path, layout(how=Encoding.EXACT))
    with pytest.raises(RunError, match="no transfer set"):
        TransferSet(tmp_path / "elsewhere")
    (tmp_path / "layout.json").write_text("{}")
    with pytest.raises(RunError, match=r"cannot be read: .*spec: it is not given") as caught:
        TransferSet(tmp_path)
    assert "\n" not in str(caught.value)
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(RunError, match="cannot be recorded"):
        Recorder(file, layout())


class FullDisk:
    """`os.write` on a disk with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room, self.real = room, os.write

    def __call__(self, file: int, data: memoryview) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        n = self.real(file, data[: self.room])
        self.room -= n
        return n


def test_a_full_disk_is_an_error_of_the_run_and_loses_no_paid_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = SpyVictim(tiny_victim())
    kind = Layout.choose(spy.spec, spy.classes, Access.PROBABILITIES, Encoding.BYTES)
    frame = HEADER.size + 10 * kind.row_bytes
    monkeypatch.setattr(os, "write", FullDisk(2 * frame + 50))

    def run() -> None:
        with Ledger(tmp_path / "l") as ledger, Recorder(tmp_path / "t", kind) as recorder:
            meter = Meter(
                spy, access="probabilities", budget=1000, ledger=ledger, recorder=recorder
            )
            for _ in range(50):
                meter.oracle(torch.rand(10, 1, 8, 8))
            meter.settle()

    with pytest.raises(RunError, match="No space left"):
        run()
    monkeypatch.undo()
    # Settled exactly: not the whole reservation, and every input that reached the victim.
    assert spent_in(tmp_path / "l", "attacker") == spy.count
    found = TransferSet(tmp_path / "t", spent=spy.count)
    assert (len(found), found.torn_bytes) == (20, 0)
    assert found.missing == spy.count - 20 > 0


@pytest.mark.parametrize("noticed", ["in the next call", "at the settlement"])
def test_a_disk_that_fails_leaves_the_account_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noticed: str
) -> None:
    kind = Layout.choose(tiny_victim().spec, 4, Access.LABEL, Encoding.BYTES)
    monkeypatch.setattr(os, "write", FullDisk(0))
    recorder = Recorder(tmp_path / "transfer", kind)
    with Ledger(tmp_path / "l") as ledger:
        meter = Meter(
            tiny_victim(), access="label", budget=20_000, ledger=ledger, recorder=recorder
        )
        meter.oracle(torch.rand(10, 1, 8, 8))
        if noticed == "in the next call":
            with pytest.raises(RunError):
                recorder.flush()
            with pytest.raises(RunError, match="the account is settled"):
                meter.oracle(torch.rand(10, 1, 8, 8))
        else:
            with pytest.raises(RunError, match="the account is settled"):
                meter.settle()
        spent = meter.oracle.spent
    with Ledger(tmp_path / "l") as ledger:
        account = ledger.account("attacker", 20_000)
        assert (account.spent, account.lost) == (spent, 0)
    with pytest.raises(RunError):
        recorder.close()


def test_a_next_segment_that_cannot_be_opened_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def no_more(path: str | Path, *arguments: int) -> int:
        if Path(path).name == "000001.queries":
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", no_more)
    recorder = Recorder(tmp_path, layout(), segment_bytes=1000)
    for seed in range(2):
        recorder.put(20 * seed, asked(WIDE, 20, seed), answered(Access.PROBABILITIES, 20, seed))
    with pytest.raises(RunError, match=r"Too many open files.*so far: 20;"):
        recorder.close()
    monkeypatch.undo()
    with Recorder(tmp_path, layout(), segment_bytes=1000) as recorder:
        recorder.put(20, asked(WIDE, 20, 1), answered(Access.PROBABILITIES, 20, 1))
    assert [path.name for path in segments(tmp_path)] == ["000000.queries", "000001.queries"]
    assert len(TransferSet(tmp_path)) == 40


def test_a_write_that_fails_after_a_mended_tail_leaves_what_was_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, layout())
    (place,) = segments(tmp_path)
    whole = place.read_bytes()
    place.write_bytes(whole + b"torn" * 20)
    appender = Appender(tmp_path, layout())
    monkeypatch.setattr(os, "write", FullDisk(10))
    with pytest.raises(OSError, match="No space left"):
        appender.append(24, 1, [b"x" * layout().row_bytes])
    appender.close()
    assert place.read_bytes() == whole


def test_settling_waits_for_the_disk_and_says_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = SpyVictim(tiny_victim())
    kind = Layout.choose(spy.spec, spy.classes, Access.LABEL, Encoding.BYTES)
    recorder = Recorder(tmp_path, kind)
    meter = Meter(spy, access="label", budget=1000, recorder=recorder)
    meter.oracle(torch.rand(10, 1, 8, 8))
    meter.settle()
    assert len(TransferSet(tmp_path)) == 10, "on disk when the checkpoint is written"
    monkeypatch.setattr(os, "write", FullDisk(0))
    meter.oracle(torch.rand(10, 1, 8, 8))
    with pytest.raises(RunError, match=r"No space left.*so far: 10;"):
        meter.settle()
    with pytest.raises(RunError):
        recorder.close()


def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, put = threading.Event(), 0
    append = Appender.append

    def slow(self: Appender, *arguments: object) -> None:
        assert go.wait(30)
        append(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Appender, "append", slow)
    recorder = Recorder(tmp_path, layout())

    def run() -> None:
        nonlocal put
        for seed in range(3 * WAITING):
            recorder.put(seed, asked(WIDE, 1, seed), answered(Access.PROBABILITIES, 1, seed))
            put += 1

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(0.5)
    # One in the writer's hands, the queue full, and the run waiting.
    assert thread.is_alive()
    assert put == WAITING + 1
    go.set()
    thread.join(30)
    recorder.close()
    assert len(TransferSet(tmp_path)) == put == 3 * WAITING


def test_what_waited_behind_a_fault_is_dropped_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails once and then works: a frame after one that is missing would be a hole."""
    go, append = threading.Event(), Appender.append

    def failing(self: Appender, first: int, *rest: object) -> None:
        assert go.wait(30)
        if first == 1:
            raise OSError(errno.EIO, "Input/output error")
        append(self, first, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Appender, "append", failing)
    recorder = Recorder(tmp_path, layout())
    for seed in range(5):
        recorder.put(seed, asked(WIDE, 1, seed), answered(Access.PROBABILITIES, 1, seed))
    go.set()
    with pytest.raises(RunError, match=r"Input/output error.* so far: 1;"):
        recorder.close()
    assert len(TransferSet(tmp_path)) == 1


def test_a_second_recorder_is_refused_and_tears_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path, layout()) as recorder:
        recorder.put(0, asked(WIDE, 3), answered(Access.PROBABILITIES, 3))
        recorder.flush()
        with pytest.raises(Busy, match="Another process is working on"):
            Recorder(tmp_path, layout())
        recorder.put(3, asked(WIDE, 3, 1), answered(Access.PROBABILITIES, 3, 1))
    assert record(tmp_path, layout(), ()) == []
    assert len(TransferSet(tmp_path)) == 6


def test_an_error_on_its_way_is_not_hidden_by_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", FullDisk(0))
    recorder = Recorder(tmp_path, layout())

    def run() -> None:
        with recorder:
            recorder.put(0, asked(WIDE, 1), answered(Access.PROBABILITIES, 1))
            raise SpecMismatch("this", "that")

    with pytest.raises(SpecMismatch):
        run()
    assert not recorder._thread.is_alive()


def test_a_fault_that_shows_at_the_end_of_the_block_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", FullDisk(0))
    with pytest.raises(RunError, match="No space left"), Recorder(tmp_path, layout()) as recorder:
        recorder.put(0, asked(WIDE, 1), answered(Access.PROBABILITIES, 1))


@pytest.mark.timeout(30)
def test_a_recorder_that_is_closed_may_be_closed_again(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, layout())
    for _ in range(2):
        recorder.close()


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_no_segment_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run has thousands of them, and a process may open a thousand files."""
    before = open_files()
    record(tmp_path, layout(), (9,) * 12, segment_bytes=1000)
    assert open_files() == before

    def failing(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("copycost.oracle.transfer.segments.sync_folder", failing)
    with pytest.raises(RunError, match="cannot be recorded"):
        Recorder(tmp_path, layout())
    assert open_files() == before


def test_more_recorded_than_charged_is_another_run(tmp_path: Path) -> None:
    kind = Layout.choose(tiny_victim().spec, 4, Access.LABEL, Encoding.BYTES)
    record(tmp_path, kind)
    with Recorder(tmp_path, kind) as recorder, pytest.raises(RunError, match="not of one run"):
        CountedOracle(tiny_victim(), access="label", budget=1000, recorder=recorder)


@pytest.mark.parametrize("access", list(Access))
def test_what_is_released_is_what_is_recorded(tmp_path: Path, access: Access) -> None:
    kind = Layout.choose(tiny_victim().spec, 4, access, Encoding.EXACT)
    x = torch.rand(30, 1, 8, 8)
    with Recorder(tmp_path, kind) as recorder:
        oracle = CountedOracle(tiny_victim(), access=access, budget=97, recorder=recorder, k=2)
        oracle(torch.rand(7, 1, 8, 8))
        answer = oracle(x)
    before, call = TransferSet(tmp_path).calls()
    assert (before.first, call.first) == (0, 7)
    assert torch.equal(call.inputs, x)
    assert torch.equal(call.labels, answer.labels)
    assert (call.scores is None) == (access is Access.LABEL)
    if answer.scores is not None and call.scores is not None:
        assert torch.equal(call.scores, answer.scores)


def test_refused_queries_are_not_recorded(tmp_path: Path) -> None:
    kind = Layout.choose(tiny_victim().spec, 4, Access.LABEL, Encoding.BYTES)
    with Recorder(tmp_path, kind) as recorder:
        oracle = CountedOracle(tiny_victim(), access="label", budget=1000, recorder=recorder)
        with pytest.raises(SpecMismatch):
            oracle(torch.full((3, 1, 8, 8), 2.0))
    assert len(TransferSet(tmp_path)) == 0


def test_what_is_flushed_is_on_the_disk_and_so_is_every_segment_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = set[int](), os.fsync

    def noted(file: int) -> None:
        synced.add(os.fstat(file).st_ino)
        fsync(file)

    with Recorder(tmp_path, layout(), segment_bytes=300) as recorder:
        monkeypatch.setattr(os, "fsync", noted)
        for first in (0, 5, 10):
            recorder.put(first, asked(WIDE, 5), answered(Access.PROBABILITIES, 5))
        recorder.flush()
        places = segments(tmp_path)
        assert len(places) > 1
        # The folder as well, for the names of the segments.
        assert synced >= {place.stat().st_ino for place in (tmp_path, *places)}


def test_a_write_that_ends_early_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, part: write(file, part[: len(part) // 2 + 1]))
    given = record(tmp_path, layout())
    for (_, answer), call in zip(given, TransferSet(tmp_path).calls(), strict=True):
        assert torch.equal(call.labels, answer.labels)


def test_a_call_that_asked_nothing_may_be_the_last(tmp_path: Path) -> None:
    record(tmp_path, layout(), (7, 0))
    assert TransferSet(tmp_path).torn_bytes == 0
    with Recorder(tmp_path, layout()) as recorder:
        assert recorder.torn_bytes == 0


@pytest.mark.parametrize(("less", "expected"), [(0, 1), (1, 2)])
def test_a_segment_may_be_filled_to_its_limit(tmp_path: Path, less: int, expected: int) -> None:
    record(tmp_path / "whole", layout(), (7, 7))
    (whole,) = segments(tmp_path / "whole")
    record(tmp_path / "cut", layout(), (7, 7), segment_bytes=whole.stat().st_size - less)
    assert len(segments(tmp_path / "cut")) == expected
