"""The receipt of a result: two digests, so that anybody can tell whether it is the same, and made from the same.

Each is the sha256 of parts of the result document as compact JSON (`json.dumps` with separators "," and ":", UTF-8):
`results` of [assumptions, warnings, cells], `inputs` of [engine_version, schema_version, seed, command, files]; the
files are [name, sha256] of the portfolios, the tape and the scenarios, and [name, sha256, rules_date] of the venues.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from backtester.report.json import plain
from backtester.report.records import Receipt, ReportModel


def receipt_of(model: ReportModel) -> Receipt:
    """The receipt of a model, whatever receipt it bears."""
    inputs = model.inputs
    files = [
        *([each.name, each.sha256] for each in (*inputs.portfolios, inputs.tape)),
        *([each.name, each.sha256] for each in inputs.scenarios),
        *([each.name, each.sha256, each.rules_date] for each in inputs.venues),
    ]
    made_from = [model.engine_version, model.schema_version, model.seed, plain(model.command), files]
    came_out = [plain(part) for part in (model.assumptions, model.warnings, model.cells)]
    return Receipt(_digest(made_from), _digest(came_out))


def _digest(document: Any) -> str:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
