"""The ledger and its accounts: every query is written down durably before it is sent.

A block of queries is reserved ahead, in one durable write, and the exact number used is
settled at every checkpoint and at a clean stop. A reservation found open was left by a
crash: all of it counts as spent, so that an account never shows fewer queries than were sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from copycost.errors import BudgetExceeded, RunError
from copycost.files import AnyPath
from copycost.locks import Lock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, budget INTEGER);
CREATE TABLE IF NOT EXISTS reservations (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (name),
    opened TEXT NOT NULL,
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    used INTEGER CHECK (used <= reserved),
    state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'lost'))
);
"""


class Ledger:
    """A SQLite file that holds the accounts of one run: write-ahead log, synchronous FULL."""

    def __init__(self, path: AnyPath | None = None) -> None:
        """Open or create the file `path`; None keeps the ledger in memory, until it is closed.

        Only one ledger at a time can be open on a file, as two would spend its budgets twice: it
        is locked by a file beside it, `….lock`. Raises `Busy` if another is open, in this process
        or any other, and `RunError` if the file is not a ledger or cannot be opened or locked.
        """
        self._accounts: dict[str, Account] = {}
        self._where = str(path) if path else "a ledger in memory"
        try:
            self._lock = self._hold(Path(path)) if path else None
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise RunError(f"{self._where} cannot be opened: {error}.") from None
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self.close()
            raise _refusal(self._where, error) from None

    @staticmethod
    def _hold(path: Path) -> Lock:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.resolve()  # one lock for a file, whatever name it is opened by
        return Lock(file.with_name(f"{file.name}.lock"), str(path))

    def account(self, name: str, budget: int | None, block: int = 1) -> Account:
        """The account `name`, with what earlier sessions spent; a `budget` of None sets no limit.

        One durable write reserves at least `block` queries. A reservation that an earlier
        session left open is closed as lost. A second call with the same name returns the same
        object, whatever its `block`, so that no budget can be spent twice. Raises `RunError` if
        the account exists with another budget.
        """
        self._db.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (name, budget))
        (stored,) = self._db.execute(
            "SELECT budget FROM accounts WHERE name = ?", (name,)
        ).fetchone()
        if stored != budget:
            raise RunError(
                f"{self._where} holds account {name!r} with a budget of {stored}, not {budget}. "
                "Use another run folder for another budget."
            )
        if name not in self._accounts:
            self._db.execute(
                "UPDATE reservations SET state = 'lost', used = reserved"
                " WHERE account = ? AND state = 'open'",
                (name,),
            )
            self._accounts[name] = Account(self._db, self._lock, name, budget, block)
        return self._accounts[name]

    def close(self) -> None:
        """Close the file. Accounts that were not settled keep their reservation open."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        """The ledger itself; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def spent_in(path: Path, name: str) -> int:
    """Queries charged to the account `name` of the ledger `path`, which is only read.

    Queries that are reserved and not settled count as spent, as after a crash. No file is created
    beside a closed ledger, so that one on a read-only disk can be read. Raises `RunError` if the
    file cannot be read or is not a ledger.
    """
    query = "SELECT COALESCE(SUM(COALESCE(used, reserved)), 0) FROM reservations WHERE account = ?"
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True)) as db:
            row = db.execute(query, (name,)).fetchone()
    except sqlite3.DatabaseError as error:
        raise _refusal(path, error) from None
    return int(row[0])


def _refusal(path: AnyPath, error: sqlite3.DatabaseError) -> RunError:
    """The error to raise, which distinguishes a file that is no ledger from a disk that failed.

    When a disk is full, the ledger on it may be sound: nobody should delete it for that.
    """
    if isinstance(error, sqlite3.OperationalError):
        return RunError(f"{path} cannot be read or written: {error}. Is there room on its disk?")
    return RunError(f"{path} is not a ledger of copycost: {error}.")


def _read_only(path: Path) -> str:
    """The URI with which SQLite opens `path` for reading only."""
    place = path.resolve()
    # With mode=ro, SQLite still creates its log and shared memory if they are missing. With
    # immutable=1 it creates nothing but ignores the log, which is right only if that is empty.
    try:
        logged = place.with_name(f"{place.name}-wal").stat().st_size
    except OSError:
        logged = 0
    return f"{place.as_uri()}?mode=ro" + ("" if logged else "&immutable=1")


class Account:
    """How many queries may be spent, and how many have been. Made by `Ledger.account`."""

    def __init__(
        self,
        db: sqlite3.Connection,
        lock: Lock | None,
        name: str,
        budget: int | None,
        block: int,
    ) -> None:
        """Not to be called by users: see `Ledger.account`."""
        self._db, self.name, self.budget, self._block = db, name, budget, block
        self._lock = lock  # the file stays locked for as long as this account can be charged
        self._reservation: int | None = None
        self._reserved = self._used = 0
        self._settled = self._sum("state != 'open'")

    @property
    def spent(self) -> int:
        """Queries charged so far, those of a lost reservation included."""
        return self._settled + self._used

    @property
    def lost(self) -> int:
        """Queries charged that brought nothing: the victim failed, or the run crashed."""
        return self._sum("state = 'lost'")

    def affords(self, n: int) -> bool:
        """Whether `n` more queries stay within the budget."""
        return self.budget is None or self.spent + n <= self.budget

    def charge(self, n: int) -> None:
        """Charge `n` queries that are about to be sent.

        Raises `BudgetExceeded`, and charges nothing, if they would cross the budget.
        """
        if not self.affords(n):
            assert self.budget is not None
            raise BudgetExceeded(n, self.spent, self.budget)
        if self._used + n > self._reserved:
            self._reserve(self._used + n - self._reserved)
        self._used += n

    @contextmanager
    def charging(self, n: int) -> Iterator[None]:
        """Charge `n` queries before the block that sends them; if it raises, they are lost."""
        self.charge(n)
        try:
            yield
        except BaseException:
            self._lose(n)
            raise

    def forfeit(self, n: int) -> None:
        """Charge `n` queries that will not be sent, as lost."""
        if n:
            self._book(n, n, "lost")
            self._settled += n

    def write_off(self, n: int) -> None:
        """Rebook `n` settled queries as lost; the number charged stays the same."""
        if n:
            with self._at_once():
                self._book(n, n, "lost")
                self._book(0, -n, "settled")

    def _book(self, reserved: int, used: int | None, state: str) -> int | None:
        """Insert a reservation and return its id; `used` is None while it is open."""
        return self._db.execute(
            "INSERT INTO reservations (account, opened, reserved, used, state)"
            " VALUES (?, ?, ?, ?, ?)",
            (self.name, datetime.now(UTC).isoformat(), reserved, used, state),
        ).lastrowid

    def _lose(self, n: int) -> None:
        """Book the last `n` queries charged as lost: they were sent, and nothing came back."""
        with self._at_once():
            if n:
                self._book(n, n, "lost")
            self._close(self._used - n)
        self._begin_anew()

    def settle(self) -> None:
        """Write the exact number used and close the reservation; the next charge opens another."""
        self._close(self._used)
        self._begin_anew()

    def _close(self, used: int) -> None:
        if self._reservation is not None:
            self._db.execute(
                "UPDATE reservations SET used = ?, state = 'settled' WHERE id = ?",
                (used, self._reservation),
            )

    def _begin_anew(self) -> None:
        self._settled += self._used
        self._reservation, self._reserved, self._used = None, 0, 0

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """One transaction: half of the block's writes would charge queries twice, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it itself where the disk is full
                self._db.execute("ROLLBACK")
            raise

    def _reserve(self, missing: int) -> None:
        more = max(missing, self._block)
        if self.budget is not None:
            more = min(more, self.budget - self._settled - self._reserved)
        if self._reservation is None:
            self._reservation = self._book(more, None, "open")
        else:
            self._db.execute(
                "UPDATE reservations SET reserved = reserved + ? WHERE id = ?",
                (more, self._reservation),
            )
        self._reserved += more

    def _sum(self, condition: str) -> int:
        row = self._db.execute(
            f"SELECT COALESCE(SUM(used), 0) FROM reservations WHERE account = ? AND {condition}",
            (self.name,),
        ).fetchone()
        return int(row[0])
