"""copycost: what does it cost to copy your model?

copycost copies the model behind a prediction API with queries alone, under an exact budget, and
measures how good the copy is. Audit only models that you own or are authorised to test.

Public names are imported on first use, so that `import copycost` does not load PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from copycost.version import __version__

if TYPE_CHECKING:
    from copycost.datasets import load as load_dataset
    from copycost.datasets.base import Labelled
    from copycost.defences.stack import defend
    from copycost.engine import use_threads
    from copycost.errors import CopycostError, Interrupted
    from copycost.oracle.base import Oracle
    from copycost.oracle.ledger import Ledger
    from copycost.oracle.meter import CountedOracle, Meter
    from copycost.report.page import write_report
    from copycost.runner.audit import AuditConfig, audit
    from copycost.runner.config import RunConfig
    from copycost.runner.copy_model import copy_model
    from copycost.runner.record import Record, read_record
    from copycost.runner.stopping import Stop
    from copycost.runner.target import Target
    from copycost.runner.transfers import read_transfer_set
    from copycost.types import Access, InputSpec, Modality
    from copycost.victims.function import FunctionVictim
    from copycost.victims.module import ModuleVictim
    from copycost.victims.saved import Card, load_model, save_model

_PLACES = {
    "Access": "copycost.types:Access",
    "AuditConfig": "copycost.runner.audit:AuditConfig",
    "Card": "copycost.victims.saved:Card",
    "CopycostError": "copycost.errors:CopycostError",
    "CountedOracle": "copycost.oracle.meter:CountedOracle",
    "FunctionVictim": "copycost.victims.function:FunctionVictim",
    "InputSpec": "copycost.types:InputSpec",
    "Interrupted": "copycost.errors:Interrupted",
    "Labelled": "copycost.datasets.base:Labelled",
    "Ledger": "copycost.oracle.ledger:Ledger",
    "Meter": "copycost.oracle.meter:Meter",
    "Modality": "copycost.types:Modality",
    "ModuleVictim": "copycost.victims.module:ModuleVictim",
    "Oracle": "copycost.oracle.base:Oracle",
    "Record": "copycost.runner.record:Record",
    "RunConfig": "copycost.runner.config:RunConfig",
    "Stop": "copycost.runner.stopping:Stop",
    "Target": "copycost.runner.target:Target",
    "audit": "copycost.runner.audit:audit",
    "copy_model": "copycost.runner.copy_model:copy_model",
    "defend": "copycost.defences.stack:defend",
    "load_dataset": "copycost.datasets:load",
    "load_model": "copycost.victims.saved:load_model",
    "read_record": "copycost.runner.record:read_record",
    "read_transfer_set": "copycost.runner.transfers:read_transfer_set",
    "save_model": "copycost.victims.saved:save_model",
    "use_threads": "copycost.engine:use_threads",
    "write_report": "copycost.report.page:write_report",
}

__all__ = [
    "Access",
    "AuditConfig",
    "Card",
    "CopycostError",
    "CountedOracle",
    "FunctionVictim",
    "InputSpec",
    "Interrupted",
    "Labelled",
    "Ledger",
    "Meter",
    "Modality",
    "ModuleVictim",
    "Oracle",
    "Record",
    "RunConfig",
    "Stop",
    "Target",
    "__version__",
    "audit",
    "copy_model",
    "defend",
    "load_dataset",
    "load_model",
    "read_record",
    "read_transfer_set",
    "save_model",
    "use_threads",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'copycost' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
