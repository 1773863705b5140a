"""The comparison of documents sees what it should and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden.differences import differences

DOCUMENT = {"verdict": "reduced", "levels": 3, "cells": [{"loss": 100.0, "by": None}]}


def test_equal_documents_and_dust_in_the_money() -> None:
    assert not list(differences(DOCUMENT, DOCUMENT))
    assert not list(differences(100.0, 100.0000005))


@pytest.mark.parametrize(
    ("found", "where"),
    [
        ({**DOCUMENT, "verdict": "survived"}, ".verdict"),
        ({**DOCUMENT, "levels": 4}, ".levels"),
        ({**DOCUMENT, "cells": []}, ".cells"),
        ({**DOCUMENT, "cells": [{"loss": 100.00001, "by": None}]}, ".cells[0].loss"),
        ({**DOCUMENT, "cells": [{"loss": 100.0, "by": 0.0}]}, ".cells[0].by"),
        ({**DOCUMENT, "cells": [{"by": None, "loss": 100.0}]}, ".cells[0]"),
        ({**DOCUMENT, "more": 1}, ""),
        ({**DOCUMENT, "levels": 3.0}, ".levels"),
    ],
)
def test_every_difference_is_named(found: Any, where: str) -> None:
    assert [text.split(":")[0] for text in differences(DOCUMENT, found)] == [where]
