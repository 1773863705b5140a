"""Distances from mid at which the depth of an order book is told, for whoever measures, stores or draws it."""

from __future__ import annotations

#: bps of mid, from near to far.
DISTANCES_BPS = (2, 5, 10, 20, 50, 100, 200, 500)
