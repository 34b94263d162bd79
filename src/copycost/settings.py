"""How settings are declared: frozen dataclasses, whose functions are written by name in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from copycost.errors import ConfigError
from copycost.registry import Registry

T = TypeVar("T")

# Type checkers see what callers may pass, pydantic what it becomes: checkers know nothing of
# pydantic's conversions.
if TYPE_CHECKING:
    Several = Sequence[T]
else:
    Several = tuple[T, ...]

SETTINGS = ConfigDict(
    extra="forbid", arbitrary_types_allowed=True, validate_default=True, allow_inf_nan=False
)
"""Configuration of every settings object: unknown keys and impossible values are errors."""


class _Choice:
    """A field that holds an object of a registry and is written as its name."""

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(self.registry.name_of),
        )

    def _read(self, value: Any) -> Any:
        if callable(value):
            return value
        if not isinstance(value, str):
            raise ValueError(f"expected one of {', '.join(self.registry)}, got {value!r}")
        try:
            return self.registry[value]
        except ConfigError as error:
            raise ValueError(str(error)) from None


def listed(registry: Registry[Any]) -> Any:
    """Annotation for a field that holds a name of `registry`."""

    def check(name: str) -> str:
        try:
            registry.check(name)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return name

    return AfterValidator(check)


def choice(registry: Registry[Any]) -> Any:
    """Annotation for a field that takes a name of `registry`, or the object itself."""
    return _Choice(registry)


def explain(error: ValidationError, prefix: str = "") -> list[str]:
    """One line per fault: which setting, what is wrong, what was given.

    A fault of several settings together names them itself.
    """
    faults = error.errors()
    # Pydantic also reports a list as too short when all its items are wrong.
    told = [f for f in faults if f["type"] != "too_short" or f["input"] in ((), [])] or faults
    return [_line(fault, prefix) for fault in told]


def explain_fields(error: ValidationError, kind: type[BaseModel]) -> list[str]:
    """`explain`, and which fields `kind` has if it was given one that it has not."""
    stray = [f for f in error.errors() if f["type"] == "extra_forbidden" and len(f["loc"]) == 1]
    return [*explain(error), *([f"Known: {', '.join(kind.model_fields)}."] if stray else [])]


def truths(values: Mapping[str, Any], found: object, prefix: str = "") -> list[str]:
    """One line per true or false in `values` that was read as the number 1 or 0."""
    return [
        f"{prefix}{name}: expected a number, got {value}"
        for name, value in values.items()
        if isinstance(value, bool) and not isinstance(getattr(found, name), bool)
    ]


def explained(error: Exception) -> str:
    """What is wrong with a file's JSON, UTF-8 or values, as part of a line."""
    faults = explain(error) if isinstance(error, ValidationError) else [str(error)]
    return "; ".join(fault.rstrip(".") for fault in faults)


def _line(fault: Any, prefix: str) -> str:
    name = ".".join(str(part) for part in fault["loc"]) or "settings"
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{prefix}{name}: there is no such setting."
    if fault["type"] == "missing":
        return f"{prefix}{name}: it is not given, and there is no default."
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "value_error" and not fault["loc"]:
        return f"{prefix}{message}"
    came = "" if fault["type"] == "value_error" else f", got {fault['input']!r}"
    return f"{prefix}{name}: {message}{came}"


def read_settings(kind: Any, values: dict[str, Any], prefix: str = "") -> Any:
    """Build the settings object `kind` from `values`; `ConfigError` lists every fault at once."""
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    try:
        found = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        lines = explain(error, prefix)
        if any("no such setting" in line for line in lines):
            owner = f" of {prefix.rstrip('.')}" if prefix else ""
            lines.append(f"Known settings{owner}: {', '.join(known) or 'none'}.")
        raise ConfigError(*lines) from None
    lines = truths(values, found, prefix)
    if lines:
        raise ConfigError(*lines)
    return found


def write_settings(settings: Any) -> dict[str, Any]:
    """Every setting, defaults written out, as plain JSON values."""
    written: dict[str, Any] = TypeAdapter(type(settings)).dump_python(settings, mode="json")
    return written
