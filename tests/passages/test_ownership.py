"""The table of suspects, from what `copycost verify` found."""

from __future__ import annotations

from pathlib import Path

from copycost.runner.suspects import Made
from copycost.runner.verifying import Compared, Suspected, Verification
from tests.passages.conftest import AROUND, cells_of
from tools.passages.markdown import NOT_RUN
from tools.passages.ownership import ownership_passage


def suspect(agreement: float, p: float, attack: str = "", seed: int = 0) -> Suspected:
    made = Made(
        attack=attack, adaptations=(), defences=(), access="label", budget=6000, seed=seed,
        agreement=0.9 + seed / 100,
    )  # fmt: skip
    return Suspected(
        name="a model", content_hash=f"{agreement}", agreement=agreement, queries=1000, p=p,
        copy_of=p < 0.01, made=made if attack else None,
    )  # fmt: skip


def test_copies_come_first_and_innocent_models_after_them(tmp_path: Path) -> None:
    assert ownership_passage(tmp_path) == NOT_RUN
    controls = [
        Compared(name=f"{n}", content_hash=f"{n}", agreement=0.5 + n / 100, queries=1000)
        for n in range(5)
    ]
    copies = [
        *(suspect(0.8 + n / 100, 0.001 * (n + 1), "frugal", seed=n) for n in range(3)),
        suspect(0.4, 0.9, "dfme"),
    ]
    found = Verification(
        victim="a net", victim_hash="5e", classes=10, probes=1000, seed=0, victim_queries=4000,
        controls=controls, suspects=copies, surroundings=AROUND,
    )  # fmt: skip
    (tmp_path / "ownership").mkdir()
    found.write_to(tmp_path / "ownership" / "net.json")
    innocent = [suspect(0.55, 0.3), suspect(0.6, 0.002), suspect(0.5, 0.5, "frugal")]
    other = found.model_copy(update={"suspects": innocent})
    other.write_to(tmp_path / "ownership" / "net-innocent.json")
    note, lines, made = ownership_passage(tmp_path).replace("\u00a0", " ").split("\n\n")
    assert note.startswith("`a net`: 5 independent models agree with it on 50.0 % to 54.0 % of 1,0")
    assert made.startswith("*Measured on a test machine")
    assert cells_of(lines.split("\n")[2:]) == [
        ["DFME, label, 6,000 queries", "90.0 %", "40.0 %", "0.9", "0 of 1"],
        [
            "Frugal, label, 6,000 queries",
            "91.0 % (90.0–92.0 %)",
            "81.0 % (80.0–82.0 %)",
            "0.002 (0.001–0.003)",
            "3 of 3",
        ],
        ["Frugal of another model, label, 6,000 queries", "–", "50.0 %", "0.5", "0 of 1"],
        [
            "trained like the victim, with another seed",
            "–",
            "57.5 % (55.0–60.0 %)",
            "0.151 (0.002–0.3)",
            "1 of 2",
        ],
    ]
