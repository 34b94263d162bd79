"""The settings of a run, as one frozen object with an identity.

Every fault of a configuration is reported at once, before anything is built or asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    field_validator,
)
from pydantic_core.core_schema import ValidationInfo

from copycost.adaptations.stack import (
    idle,
    queries_per_input,
    read_adaptation,
    read_adaptations,
)
from copycost.attacks import ATTACKS
from copycost.attacks.base import Attack
from copycost.defences.stack import read_defence
from copycost.errors import ConfigError, faults_of
from copycost.hashes import text_hash
from copycost.nets import ARCHITECTURES
from copycost.oracle.access import check_access
from copycost.pool import IN_DISTRIBUTION
from copycost.settings import (
    Several,
    explain_fields,
    listed,
    read_settings,
    truths,
    write_settings,
)
from copycost.types import Access, Compile, Precision

if TYPE_CHECKING:
    AnyAccess = Access | str
    AnyCompile = Compile | str
    AnyPrecision = Precision | str
else:
    AnyAccess = Access
    # Written by `str`, which also takes the words that `model_copy` does not validate.
    AnyCompile = Annotated[Compile, PlainSerializer(str)]
    AnyPrecision = Annotated[Precision, PlainSerializer(str)]


TOP_K = 5
"""The default k of top-k access."""
MOST_QUERIES = 10**15
"""Largest budget: more than can be asked, and within the 64 bits of a ledger's numbers."""


def takes_pool(attack: str) -> bool:
    """Whether the attack of this name starts with a pool that the user has to name."""
    kind = ATTACKS[attack]
    return kind.needs_pool and kind.knowledge != IN_DISTRIBUTION


def read_attack(name: str, settings: Mapping[str, JsonValue], inputs: int) -> Attack:
    """The attack of this name, with `settings`, else what suits so many inputs, else defaults."""
    kind = ATTACKS[name]
    attack: Attack = read_settings(kind, {**kind.suited(inputs), **settings})
    return attack


class RunConfig(BaseModel):
    """One attack on one victim with one seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attack: Annotated[str, listed(ATTACKS)] = "dfme"
    """A name in `copycost list attacks`, or MODULE:CLASS for your own."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Settings of the attack that replace those suited to the budget and its defaults."""
    victim: str = ""
    """A name in `copycost list victims`, the folder of a saved model, or MODULE:FUNCTION that
    returns a target; any name in Python, where the target is passed in."""
    data: str | None = None
    """Held-out data as NAME or NAME:PATH; None is the data that the victim's preset names, or that
    a target of your own brings."""
    pool: str | None = Field(default=None, validate_default=True)
    """Data set, as NAME or NAME:PATH, for attacks that start with unlabelled images: these are its
    training images without their labels."""
    student: Annotated[str, listed(ARCHITECTURES)] = "resnet18-8x"
    """A name in `copycost list students`, or MODULE:BUILDER for your own."""
    budget: int = Field(default=2_000_000, ge=1, le=MOST_QUERIES)
    """Queries allowed: inputs sent."""
    access: AnyAccess = Access.PROBABILITIES
    """What the API releases: an `Access`, or its value."""
    top_k: int = Field(default=TOP_K, ge=1)
    """How many probabilities top-k access releases."""
    defences: Several[str] = ()
    """Defences from the innermost to the outermost, e.g. ('noise:0.1', 'rounding:2')."""
    adaptations: Several[str] = ()
    """What the attacker does about them, in the order in which answers pass, e.g. ('invert',)."""
    seed: int = Field(default=0, ge=0)
    precision: AnyPrecision = Precision.FLOAT32
    """Precision of training; `tf32` is emulated where there is no GPU."""
    estimate_precision: AnyPrecision | None = None
    """Precision of the student at the points of a finite difference; None: `precision` if the step
    survives in it, else float32. A name is used even if the estimate drowns in rounding."""
    victim_precision: AnyPrecision | None = None
    """Precision of a victim in this process; None: that of the student at the points of a finite
    difference, or `precision` for an attack without finite differences."""
    compile: AnyCompile = Compile.OFF
    """Whether networks go through torch.compile; `graphs`: with CUDA graphs."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    evaluations: int = Field(default=20, ge=1)
    """How many times the student is evaluated, evenly over the budget."""
    record_queries: Literal["off", "bytes", "exact"] = "off"
    """Whether to keep every query and what was released for it, with images as bytes or exactly."""

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """Validate `values`; `ConfigError` lists every fault at once."""
        try:
            config = cls.model_validate(values)
        except ValidationError as error:
            lines = [line for text in explain_fields(error, cls) for line in text.split("\n")]
            raise ConfigError(*lines) from None
        problems = truths(values, config)
        if problems:
            raise ConfigError(*problems)
        return config

    @property
    def queries_per_input(self) -> int:
        """Queries that the attack pays for each input it asks about; 1 but for adaptations."""
        return queries_per_input(read_adaptations(self.adaptations))

    @property
    def inputs(self) -> int:
        """Inputs that the attack can ask about."""
        return self.budget // self.queries_per_input

    def in_full(self) -> dict[str, JsonValue]:
        """Every setting, the attack's too, with defaults written out.

        Without adaptations it does not mention them: a run has the identity that it had before
        there were any.
        """
        attack = read_attack(self.attack, self.settings, self.inputs)
        full = {**self.model_dump(mode="json"), "settings": write_settings(attack)}
        if not self.adaptations:
            del full["adaptations"]
        return full

    def identity(self, victim_hash: str) -> str:
        """Hash of the full configuration and of the victim's content, hexadecimal."""
        text = json.dumps([self.in_full(), victim_hash], sort_keys=True)
        return text_hash(text)

    @field_validator("top_k")
    @classmethod
    def _k_of_top_k_alone(cls, k: int, info: ValidationInfo) -> int:
        """Ignore k at other access, where it must not give the same run two identities."""
        return k if info.data.get("access") is Access.TOP_K else TOP_K

    @field_validator("settings")
    @classmethod
    def _attack_takes(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        attack = info.data.get("attack")
        if attack is not None:
            try:
                read_settings(ATTACKS[attack], settings, prefix=f"{attack}.")
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return settings

    @field_validator("pool")
    @classmethod
    def _attack_has_its_pool(cls, pool: str | None, info: ValidationInfo) -> str | None:
        name = info.data.get("attack")
        if name is None:
            return pool
        takes = takes_pool(name)
        if pool is None and takes:
            raise ValueError(f"{name} needs a pool of images. Name one, e.g. --pool cifar10")
        if pool is not None and not takes:
            why = "has the victim's own data" if ATTACKS[name].needs_pool else "takes no pool"
            raise ValueError(f"{name} {why}. Leave --pool out")
        return pool

    @field_validator("device")
    @classmethod
    def _cpu_has_no_graphs(cls, device: str, info: ValidationInfo) -> str:
        if device == "cpu" and info.data.get("compile") is Compile.GRAPHS:
            raise ValueError("cpu has no CUDA graphs. Set compile to on or off")
        return device

    @field_validator("defences")
    @classmethod
    def _known_defences(cls, defences: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Check their names, and that `access` is not logits: they release probabilities."""
        problems = []
        access = info.data.get("access")
        if defences and access is not None:
            released = partial(check_access, Access.PROBABILITIES, access, k=1, classes=1)
            problems += faults_of(released)
        for text in defences:
            problems += faults_of(partial(read_defence, text))
        if problems:
            raise ValueError("\n".join(problems))
        return defences

    @field_validator("adaptations")
    @classmethod
    def _known_adaptations(cls, texts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Check their names, that the budget pays for an input, and that each can do something."""
        problems = [fault for text in texts for fault in faults_of(partial(read_adaptation, text))]
        problems = problems or _unpaid(texts, info.data.get("budget"))
        access, defences = info.data.get("access"), info.data.get("defences")
        if not problems and access is not None and defences is not None:
            try:
                problems = idle(texts, Access(access), defended=bool(defences))
            except ConfigError as error:
                problems = error.problems
        if problems:
            raise ValueError("\n".join(problems))
        return texts


def _unpaid(adaptations: tuple[str, ...], budget: int | None) -> list[str]:
    each = queries_per_input(read_adaptations(adaptations))
    if budget is None or each <= budget:
        return []
    names = " + ".join(adaptations)
    return [f"with {names} an input costs {each:,} queries, and the budget is {budget:,}"]
