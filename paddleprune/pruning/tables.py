"""Where a table of sensitivities comes from: a file of ours, another tool's pickle, the DEFAULT of a model."""

import logging
from pathlib import Path

from ..errors import UserError
from ..files import shipped
from . import interop
from .groups import Groups
from .sensitivity import Provenance, Sensitivities

log = logging.getLogger(__name__)

DEFAULT = "DEFAULT"
UNKNOWN = "unknown"  # of a pickle, which says nothing but names and losses


def read_table(file: str, groups: Groups, model: str) -> Sensitivities:
    """The table for `groups` from DEFAULT, a JSON file of ours, or a pickle of PaddleSlim or PaddleX.

    A pickle says nothing of model, data or metric: those fields are then UNKNOWN.
    """
    path = default_file(model) if file == DEFAULT else Path(file)
    if not path.is_file():
        raise UserError(
            f"--sensitivities_file: '{file}' does not exist; make it with tools/sensitivity.py or use DEFAULT"
        )
    if path.read_bytes()[:1] == b"{":
        table = Sensitivities.read(path)
        if table.provenance.model != model:
            raise UserError(
                f"--sensitivities_file: '{path}' is of {table.provenance.model}, the model is {model}; "
                "analyse this model"
            )
    else:
        unknown = Provenance(model, UNKNOWN, UNKNOWN, 0, "metric", True, UNKNOWN)
        table = Sensitivities(unknown, float("nan"), interop.read_pickle(path))
    table.curves, mapping = interop.match(table.curves, groups)
    for name, weight in mapping.items():
        if name != weight:
            log.info("sensitivities of %s are used for %s", name, weight)
    missing = [name for name in groups if name not in table.curves]
    if missing:
        log.warning("no sensitivities for %d groups, they stay whole: %s", len(missing), ", ".join(missing))
    return table


def default_file(model: str) -> Path:
    """The file of the DEFAULT scheme for a model, in the checkout or where setup.py put it."""
    folders = shipped("sensitivities")
    files = {Sensitivities.read(f).provenance.model: f for d in folders for f in sorted(d.glob("*.json"))}
    if model not in files:
        raise UserError(
            f"--sensitivities_file: there is no DEFAULT scheme for {model}; there is one for: "
            f"{', '.join(sorted(files)) or 'none'}; make a file with tools/sensitivity.py"
        )
    return files[model]
