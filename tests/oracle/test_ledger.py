from __future__ import annotations

import sqlite3
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copycost.errors import BudgetExceeded, Busy, RunError
from copycost.oracle.ledger import Ledger, spent_in


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_what_a_victim_did_not_answer_is_lost_and_stays_charged(tmp_path, failure):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        account = ledger.account("attacker", 100, block=50)
        with account.charging(20):
            assert account.spent == 20  # before anything is sent
        with pytest.raises(failure), account.charging(7):
            raise failure
        assert (account.spent, account.lost) == (27, 7)
        account.charge(3)
        account.settle()
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        account = ledger.account("attacker", 100, block=50)
        assert (account.spent, account.lost) == (30, 7)


def test_exact_count_survives_a_clean_stop(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 1000, block=100)
        account.charge(7)
        account.charge(13)
        account.settle()
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 1000, block=100)
        assert (account.spent, account.lost) == (20, 0)


def test_a_reservation_left_open_counts_as_spent(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.account("attacker", 1000, block=100).charge(7)
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 1000, block=100)
        assert (account.spent, account.lost) == (100, 100)


def test_the_reservation_is_on_disk_before_the_charge_returns(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    account = ledger.account("attacker", 1000, block=50)
    for _ in range(3):
        account.charge(30)
        other = sqlite3.connect(path)
        (reserved,) = other.execute("SELECT SUM(reserved) FROM reservations").fetchone()
        other.close()
        assert reserved >= account.spent


def test_every_write_waits_for_the_disk(tmp_path):
    names = ("synchronous", "journal_mode")
    with Ledger(tmp_path / "l") as ledger:
        found = [ledger._db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert found == [2, "wal"]  # 2: FULL


def test_without_a_block_a_charge_reserves_no_more_than_itself(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 1000)
        for charged in (1, 2):
            account.charge(1)
            assert spent_in(path, "attacker") == charged


def test_refuses_before_anything_is_charged():
    account = Ledger().account("attacker", 10)
    account.charge(8)
    with pytest.raises(BudgetExceeded) as caught:
        account.charge(3)
    assert (caught.value.asked, caught.value.spent, caught.value.budget) == (3, 8, 10)
    assert account.spent == 8
    account.charge(2)


@settings(max_examples=60, deadline=None)
@given(
    budget=st.integers(1, 500),
    block=st.integers(1, 300),
    actions=st.lists(st.one_of(st.integers(0, 60), st.just("settle")), max_size=40),
)
def test_never_more_than_the_budget_and_never_less_than_sent(budget, block, actions):
    ledger = Ledger()
    account = ledger.account("attacker", budget, block)
    sent = 0
    for action in actions:
        if action == "settle":
            account.settle()
        elif account.affords(action):
            account.charge(action)
            sent += action
        else:
            with pytest.raises(BudgetExceeded):
                account.charge(action)
        assert account.spent == sent <= budget
    # As after a crash: whatever is open is lost, and still within the budget.
    query = "SELECT COALESCE(SUM(COALESCE(used, reserved)), 0) FROM reservations"
    (after,) = ledger._db.execute(query).fetchone()
    assert sent <= after <= budget


@pytest.mark.parametrize("settled", [False, True])
def test_what_is_reserved_never_exceeds_the_budget(tmp_path, settled):
    with Ledger(tmp_path / "l") as ledger:
        account = ledger.account("attacker", 25, block=10)
        account.charge(10)
        if settled:
            account.settle()
        for n in (10, 5):
            account.charge(n)
        assert spent_in(tmp_path / "l", "attacker") == 25


def test_a_crash_charges_no_more_than_was_sent_where_blocks_are_used_to_their_ends(tmp_path):
    with Ledger(tmp_path / "l") as ledger:
        account = ledger.account("attacker", 1000, block=10)
        for n, reserved in ((0, 0), (8, 10), (2, 10), (0, 10), (7, 20), (30, 47)):
            account.charge(n)
            assert spent_in(tmp_path / "l", "attacker") == reserved


def test_a_crash_after_a_call_that_failed_costs_that_call_and_nothing_else(tmp_path):
    with Ledger(tmp_path / "l") as ledger:
        account = ledger.account("attacker", 100, block=100)
        with pytest.raises(ConnectionError), account.charging(7):
            raise ConnectionError
        assert spent_in(tmp_path / "l", "attacker") == 7


def test_two_accounts_do_not_mix():
    ledger = Ledger()
    attacker, auditor = ledger.account("attacker", 5), ledger.account("auditor", None)
    auditor.charge(1000)
    attacker.charge(5)
    assert (attacker.spent, auditor.spent) == (5, 1000)


def test_opening_one_account_takes_nothing_from_another(tmp_path):
    with Ledger(tmp_path / "l") as ledger:
        attacker = ledger.account("attacker", 1000, block=100)
        attacker.charge(7)
        ledger.account("auditor", None).charge(30)
        assert attacker.lost == 0
        assert spent_in(tmp_path / "l", "attacker") == 100
        attacker.settle()
        assert (ledger.account("attacker", 1000).spent, attacker.lost) == (7, 0)


@pytest.mark.parametrize(("first", "then"), [(5, 6), (6, 5), (5, None), (None, 5)])
def test_another_budget_is_refused(tmp_path, first, then):
    with Ledger(tmp_path / "l") as ledger:
        ledger.account("attacker", first)
        with pytest.raises(RunError, match=f"budget of {first}, not {then}"):
            ledger.account("attacker", then)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    path = tmp_path / "l"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(RunError, match="not a ledger"):
        Ledger(path)


def test_a_ledger_that_a_disk_does_not_open_is_not_called_a_foreign_file(tmp_path):
    path = tmp_path / "l"
    with Ledger(path) as ledger:
        ledger.account("attacker", 5)
    (tmp_path / "l-wal").mkdir()  # where SQLite wants to write
    with pytest.raises(RunError, match=r"/l cannot be read or written: "):
        Ledger(path)


def test_reading_a_closed_ledger_makes_no_files(tmp_path):
    path = tmp_path / "a ledger?#%41.sqlite"
    with Ledger(path) as ledger:
        ledger.account("attacker", 1000, block=100).charge(7)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert spent_in(path, "attacker") == 100
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_reading_a_ledger_in_use_sees_what_is_only_in_its_log(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 1000, block=100)
        account.charge(7)
        assert spent_in(path, "attacker") == 100
        account.settle()
        assert spent_in(path, "attacker") == 7


def test_what_cannot_be_read_is_not_called_a_foreign_file(tmp_path):
    with pytest.raises(RunError, match=r"nothing\.sqlite cannot be read or written: unable"):
        spent_in(tmp_path / "nothing.sqlite", "attacker")
    foreign = tmp_path / "foreign"
    foreign.write_text("no database, but long enough to be taken for the header of one" * 20)
    with pytest.raises(RunError, match="foreign is not a ledger"):
        spent_in(foreign, "attacker")


def test_what_was_settled_can_be_booked_as_lost(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 100, block=10)
        account.charge(25)
        account.settle()
        account.write_off(7)
        account.write_off(0)
        assert (account.spent, account.lost) == (25, 7)
    assert spent_in(path, "attacker") == 25
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 100, block=10)
        assert (account.spent, account.lost) == (25, 7)
        account.charge(75)
        with pytest.raises(BudgetExceeded):
            account.charge(1)


class _Dying:
    """A database that is gone before its second change, as when the process is killed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db, self._changes = db, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self._changes += statement.startswith(("INSERT", "UPDATE"))
        if self._changes == 2:
            self._db.close()
        return self._db.execute(statement, *values)


@pytest.mark.parametrize(("begun", "lost"), [("lose", 100), ("write off", 0)])
def test_two_lines_that_belong_together_are_written_together(tmp_path, begun, lost):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 100, block=100)
        account.charge(100)
        if begun == "write off":
            account.settle()
        account._db = cast("sqlite3.Connection", _Dying(account._db))
        with pytest.raises(sqlite3.ProgrammingError):
            account.write_off(80) if begun == "write off" else account._lose(40)
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 100, block=100)
        assert (account.spent, account.lost) == (100, lost)


class _Full:
    """A database whose disk is full at its second change; SQLite may end the transaction itself."""

    def __init__(self, db: sqlite3.Connection, *, ends: bool) -> None:
        self._db, self._changes, self._ends = db, 0, ends

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self._changes += statement.startswith(("INSERT", "UPDATE"))
        if self._changes == 2 and statement.startswith(("INSERT", "UPDATE")):
            if self._ends:
                self._db.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.execute(statement, *values)


@pytest.mark.parametrize("ends", [False, True])
def test_a_full_disk_is_said_and_half_of_what_belongs_together_is_undone(tmp_path, ends):
    with Ledger(tmp_path / "l") as ledger:
        account = ledger.account("attacker", 100, block=10)
        account.charge(100)
        account.settle()
        whole = account._db
        account._db = cast("sqlite3.Connection", _Full(whole, ends=ends))
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            account.write_off(80)
        account._db = whole
        assert (spent_in(tmp_path / "l", "attacker"), account.lost) == (100, 0)


def test_two_ledgers_on_one_file_cannot_spend_its_budget_twice(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        account = ledger.account("attacker", 100, block=10)
        account.charge(60)
        with pytest.raises(Busy, match=r"Another process is working on .*ledger\.sqlite"):
            Ledger(path)
        account.charge(40)
        account.settle()
    with Ledger(path) as ledger, pytest.raises(BudgetExceeded):
        ledger.account("attacker", 100).charge(1)


def test_a_link_to_a_ledger_is_that_ledger(tmp_path):
    path, link = tmp_path / "ledger.sqlite", tmp_path / "link"
    link.symlink_to(path)
    with Ledger(path), pytest.raises(Busy):
        Ledger(link)


def test_an_account_holds_the_file_even_when_its_ledger_is_gone(tmp_path):
    path = tmp_path / "ledger.sqlite"
    account = Ledger(path).account("attacker", 100, block=10)
    with pytest.raises(Busy):
        Ledger(path)
    account.charge(7)
    del account
    with Ledger(path) as ledger:
        assert ledger.account("attacker", 100).spent == 10  # left open: all of it is lost


def test_a_ledger_that_could_not_be_opened_holds_nothing(tmp_path):
    path = tmp_path / "l"
    path.write_bytes(b"this is not a database" * 100)
    refusals = []  # kept, with all that their tracebacks refer to
    for _ in range(2):
        with pytest.raises(RunError, match="not a ledger") as refused:
            Ledger(path)
        refusals.append(refused)
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(RunError, match="cannot be opened"):
            Ledger(path)
    with pytest.raises(RunError, match=r"cannot be opened: .*File exists"):
        Ledger(__file__ + "/ledger.sqlite")
