"""Does the comparison see anything? One line of a kernel is altered at a time; each time it must find a difference.

The altered package is a copy, run as plain Python (NUMBA_DISABLE_JIT=1) with a kernel cache of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.oracle.hunt import DIFFERENT, end, seeded

ROOT = Path(__file__).resolve().parents[2]
UNIVERSES = 1_500


class Mutant(NamedTuple):
    """A line of a kernel, and what it becomes; `rule` is the one it breaks."""

    rule: str
    line: str
    becomes: str
    seed: int | None = None  # of a universe that shows it, tried first, where few do


MUTANTS = (
    Mutant("1.1 locked is crossed", "if bid >= ask:", "if bid > ask:"),
    Mutant("1.3 phases", 'return a["phase"] < b["phase"]', 'return a["phase"] > b["phase"]'),
    Mutant("1.4 no funding at the start", 'charged and t > c["start_ts"]', 'charged and t >= c["start_ts"]'),
    Mutant("1.5 no overtaking", 'max(ts + travel, a["last_arrival"])', "ts + travel"),
    Mutant("1.6 post-only status", "(status != TradingStatus.POST_ONLY or", "(status == TradingStatus.POST_ONLY or"),
    Mutant(
        "1.5 a cancel needs no reaction",
        "client_arrival(m, w, c, o, ts, np.int64(0), CANCELLED)",
        'client_arrival(m, w, c, o, ts, o["reaction_ns"], CANCELLED)',
    ),
    Mutant("1.5 a client's stop is cancelled at once", " or (armed_at_client and is_live(o))", ""),
    Mutant("1.7 refused orders", "else MATCHING_HALTED | ORDERS_REFUSED", "else MATCHING_HALTED"),
    Mutant("1.7 refused stops", '["outage"] & ORDERS_REFUSED:', '["outage"] & 0:'),
    Mutant("1.7 refused cancels", '["outage"] & CANCELS_REFUSED:', '["outage"] & 0:'),
    Mutant("1.7 a blind client", "== Held.VENUE else FEED_FROZEN", "== Held.VENUE else MATCHING_HALTED"),
    Mutant("1.7 nothing matches", ' or i["outage"] & MATCHING_HALTED != 0', ""),
    Mutant("1.7 suspended liquidation", "outage & LIQUIDATION_SUSPENDED:", "outage & 0:"),
    Mutant("1.7 a mark that stays", 'if i["outage"] & MARK_FROZEN:', 'if i["outage"] & 0:'),
    Mutant("1.7 an index that stays", ' and row["outage"] & MARK_FROZEN == 0:', ":"),
    Mutant("2.1 bound rounded inwards", "math.floor(reference * (1.0 +", "math.ceil(reference * (1.0 +"),
    Mutant(
        "2.1 bound from the mark", '["bound_from"] == PriceReference.MARK', '["bound_from"] == PriceReference.INDEX'
    ),
    Mutant("2.2 what trades took", 'shown - cell["printed"] - gone', "shown - gone"),
    Mutant("2.2 named again", 'cell["printed"] = 0', "pass"),
    Mutant("1.1 a path step names", '_name(cell, side["named"])', "pass"),
    Mutant("1.1 a path step shows all", 'side["view"] = side["edge"]', "pass"),
    Mutant("1.1 moved below tick 1", 'while side["edge"] < 1 and side["edge"] <= side["best"]:', "while False:"),
    Mutant("2.2 taken twice", 'entry["lots"] = gone + part', 'entry["lots"] = part'),
    Mutant("2.2 rounded up", "math.ceil(halved(", "math.floor(halved("),
    Mutant("2.2 key of a level", 'entry["tick"] = tick - side["shift"]', 'entry["tick"] = tick'),
    Mutant("3.1 leverage of the tier", 'if x["leverage"] > max_leverage(', 'if x["leverage"] >= max_leverage('),
    Mutant("3.2 one budget per trade", 'offered = lots - world["used"]', "offered = lots"),
    Mutant("2.6 since the last message", "max(ts - book_ts if book_ts >= 0", "max(ts - ts if book_ts >= 0"),
    Mutant("3.2 a trade eats the queue", 'o["queue"] = max(0, o["queue"] - fresh)', 'o["queue"] = max(0, o["queue"])'),
    Mutant("3.2 served once per step", 'o["seen"] = c["step"]', 'o["seen"] = 0'),
    Mutant("3.3 shown before it prints", "return lots - shown", "return lots"),
    Mutant("3.3 shown long before", ">= PRINTS_WITHIN_NS:", "< PRINTS_WITHIN_NS:"),
    Mutant("3.3 queue is displayed", 'o["queue"] = min(o["queue"], lots)', 'o["queue"] = max(o["queue"], lots)'),
    Mutant(
        "3.3 a level out of view", 'not beyond(k, tick, side["view"]):\n        head', "tick < NO_ASK:\n        head"
    ),
    Mutant("3.3 in view and empty", "_set_own_levels(m, w, k, ts)\n", "pass\n"),
    Mutant("3.1 behind what is not seen", "if _is_in_view(m, k, tick) else UNKNOWN_QUEUE", ""),
    Mutant("1.1 named since", '>= row["snapshot"]', ">= 1 << 62"),
    Mutant("3.5 reduce-only never opens", "return min(lots, max(against, 0))", "return lots"),
    Mutant("3.6 margin at match", 'o["account"], NONE, 0, 0) < 0.0', 'o["account"], NONE, 0, 0) < -1e9'),
    Mutant("4.1 rounded series", "HALF, HAIR = 0.5, 1e-6", "HALF, HAIR = 0.4, 1e-6"),
    Mutant("4.1 rounded down but for a hair", "HALF, HAIR = 0.5, 1e-6", "HALF, HAIR = 0.5, 0.0"),
    Mutant("4.2 reached is breached", 'tick >= o["trigger_tick"] if', 'tick > o["trigger_tick"] if'),
    Mutant("4.2 activated is breached", 'o["activation_tick"] != 0 and not _is_asleep(o, tick)', "False"),
    Mutant(
        "4.2 the venue never sees it",
        'if o["held"] == Held.CLIENT:\n        return OrderReason.NONE',
        "if False:\n        return OrderReason.NONE",
    ),
    Mutant("4.4 a protected stop", '> bound * k["mark"]:', '> 2.0 * bound * k["mark"]:'),
    Mutant("4.4 first moment kept", 'if o["hold_ts"] < 0:', "if True:"),
    Mutant("4.4 the next mark", "(ts // grid + 1) * grid, SECOND_LOOK", "(ts // grid + 2) * grid, SECOND_LOOK"),
    Mutant(
        "1.5 a cancel after a while", 'ts + o["cancel_after_ns"], CANCEL_D', 'ts + 2 * o["cancel_after_ns"], CANCEL_D'
    ),
    Mutant("1.5 a cancel has a draw of its own", "ts, np.int64(0), CANCELLED)", "ts, np.int64(0), SENT)"),
    Mutant("1.8 an order's own number", "np.uint64(key)) + np.uint64(draw)", "np.uint64(0)) + np.uint64(draw)"),
    Mutant("1.8 median 1", "exp2(sigma * LOG2_E * ", "exp2(sigma * "),
    Mutant("2.1 own bound", 'o["bound"] if o["bound"] > 0.0 else fraction', "fraction"),
    Mutant("3.1 smallest close", 'k["min_close_quote"] if', 'k["min_order_quote"] if'),
    Mutant("3.1 smallest at its limit", '* k["tick_size"] if _has_limit(o)', '* k["tick_size"] if False'),
    Mutant("3.1 taken before", "return not sent_by_venue(o) and abs(", "return abs("),
    Mutant("3.1 largest limit order", 'k["max_limit_lots"] if priced', 'k["max_market_lots"] if priced'),
    Mutant("3.1 largest notional", 'k["max_limit_quote"] if priced', 'k["max_market_quote"] if priced'),
    Mutant("3.1 repriced", 'r["post_only"] == PostOnly.REPRICE', 'r["post_only"] != PostOnly.REPRICE'),
    Mutant("3.1 fill or kill", "refused == OrderReason.NONE and got < lots", "refused == OrderReason.NONE and got < 1"),
    Mutant("3.3 logarithm", "log2(1.0 + lots) if", "log2(2.0 + lots) if"),
    Mutant("3.7 met by what is left", "return got < lots", "return got <= lots"),
    Mutant("3.7 an order of the other side", 'or other["side"] == o["side"] or', "or"),
    Mutant("3.7 the maker goes", "or rule == SelfTrade.CANCEL_MAKER", "or rule == SelfTrade.CANCEL_BOTH"),
    Mutant(
        "3.7 both go", "met == NONE or rule == SelfTrade.CANCEL_TAKER", "met == NONE or rule == SelfTrade.CANCEL_BOTH"
    ),
    Mutant("3.7 the taker stops", "(rule == SelfTrade.CANCEL_TAKER or", "(rule == SelfTrade.NONE or"),
    Mutant(
        "4.1 a take-profit", 'o["type"] == OrderType.TAKE_PROFIT_MARKET or', 'o["type"] == OrderType.STOP_MARKET or'
    ),
    Mutant("4.5 activation", '* (tick - o["activation_tick"]) > 0', '* (tick - o["activation_tick"]) < 0'),
    Mutant("4.5 peak", 'elif side * (tick - o["peak"]) < 0', 'elif side * (tick - o["peak"]) > 0'),
    Mutant("4.5 callback in ticks", '["peak"] + side * o["callback_ticks"]', '["peak"] - side * o["callback_ticks"]'),
    Mutant(
        "4.5 callback rounded",
        'ceil(o["peak"] * (1.0 + o["callback_rate"])',
        'floor(o["peak"] * (1.0 + o["callback_rate"])',
    ),
    Mutant("4.6 filled in part", 'or parent["filled"] > 0', 'or parent["filled"] > 1'),
    Mutant("4.6 all of the parent", "if after == After.ALL:", "if after == After.END:"),
    Mutant(
        "4.6 one cancels the others",
        "OrderStatus.CANCELLED, OrderReason.OCO",
        "OrderStatus.CANCELLED, OrderReason.NONE",
    ),
    Mutant("4.6 with the fill, not with the end", 'o["after"] == After.FIRST:', "lots < 1:"),
    Mutant("4.6 told again on arrival", "take_size_of_parent(w, o)\n    k =", "k ="),
    Mutant("4.6 size of the parent", 'w.orders[o["parent"]]["filled"]', 'w.orders[o["parent"]]["lots"]'),
    Mutant("4.7 rate since the first decision", '(traded - plan["start_traded"])', "traded"),
    Mutant("4.7 what ended is due again", 'plan["committed"] -= o["lots"] - o["filled"]', 'plan["committed"] -= 0'),
    Mutant("4.7 largest child", 'due = min(due, plan["max_child_lots"])', "due = due"),
    Mutant("4.7 own side", 'if o["peg"] == Peg.PRIMARY else', 'if o["peg"] == Peg.MARKET else'),
    Mutant("5.1 the size of a lot", "return lots * unit * price", "return lots * price"),
    Mutant("5.1 the size of a lot in a walk", "return tick_lots * unit * tick_size", "return tick_lots * tick_size"),
    Mutant("5.1 share of the cost", 'x["cost"] * (closing / size)', 'x["cost"] * (closing / (size + 1))'),
    Mutant("5.2 maker rate", 'rate = r["maker_fee"] if', 'rate = r["taker_fee"] if'),
    Mutant("5.3 average of the touch", "exp2(-seconds * LOG2_E / INNER_S)", "exp2(-seconds * LOG2_E / BASIS_S)"),
    Mutant("5.3 left at a funding time", ' if clock["next"] > ts else clock["interval_ns"]', ""),
    Mutant("5.3 window of the mean", '(k["basis_count"] - 1) % slots] =', 'k["basis_count"] % slots] ='),
    Mutant("6.1 rest of an order", 'rest = o["lots"] - o["filled"]', 'rest = o["lots"]'),
    Mutant("6.1 the larger side", 'abs(value - x["asks"]))', "abs(value))"),
    Mutant("6.1 what is lost at once", "return equity - loss", "return equity"),
    Mutant("6.1 a sell is worth the mark at least", 'else max(price, k["mark"])', "else price"),
    Mutant(
        "6.1 a cap belongs to its tier", 'tiers[row + 1]["floor"] < notional', 'tiers[row + 1]["floor"] <= notional'
    ),
    Mutant("6.1 behind those of its side", '["resting_lots"][side_index(o)]', '["resting_lots"][1 - side_index(o)]'),
    Mutant(
        "6.1 sums of what is left",
        'note_resting(w, order, o["lots"] - o["filled"])',
        'note_resting(w, order, o["lots"])',
        seed=1995,
    ),
    Mutant("6.1 a fill is rest no more", "note_resting(w, order, -lots)", "pass"),
    Mutant("6.1 what ended is rest no more", 'note_resting(w, order, o["filled"] - o["lots"])', "pass"),
    Mutant("6.1 one of them opens", 'max(x["resting_largest"][s], lots)', 'x["resting_largest"][s]'),
    Mutant("6.3 deduction", "floor * (next_rate - rate)", "floor * next_rate"),
    Mutant("6.4 equal is no breach", "if buffer >= 0.0:", "if buffer > 0.0:"),
    Mutant("6.4 fenced losses", 'max(0.0, has) if row["isolated"] != 0 else has', "has"),
    Mutant("6.4 asleep for too long", "room *= SHARE", "room = 0.5"),
    Mutant("6.4 asleep when money moves", 'disturb(w, c, w.pools[pool]["account"])', "pass"),
    Mutant("6.4 legs break together", 'if w.positions[p]["twin"] != 0:', 'if w.positions[p]["twin"] > 9:'),
    Mutant("6.4 no price below 0", "if slope == 0.0 or buffer / slope >= 1.0:", "if slope == 0.0:"),
    Mutant("6.4 a rise may be longer", "or buffer / slope >= 1.0:", "or buffer / abs(slope) >= 1.0:"),
    Mutant("6.4 the buffer loses what maintenance gains", "return value - abs(value) * rate", "return value"),
    Mutant("6.5 share of the margin", "before * (closed / size) + realised", "before * (closed / size)"),
    Mutant("7.1 the long pays", "return -value * rate", "return value * rate"),
    Mutant("7.2 the interval of a record", 'clock["interval_ns"] = interval_ns', "pass"),
    Mutant("7.2 a funding time of its own", "times.append((item.funding_ns, ", "times.append((0, "),
    Mutant("7.2 the rate of another funding time", 'if i["funding_ts"] == c["due"]:', 'if i["funding_ts"] >= 0:'),
    Mutant("7.3 last level in part", "part = min(float(shown), (quote_lots - value) / tick)", "part = float(shown)"),
    Mutant("7.3 cap of the rate", "EIGHT_HOURS_NS, -cap), cap)", "EIGHT_HOURS_NS, -1.0), 1.0)"),
    Mutant(
        "7.3 before the first record",
        '(ts - 1) // r["funding_sample_ns"] - last',
        'last // r["funding_sample_ns"] - last',
    ),
    Mutant("7.3 before the first sample", '+= 1 - k["has_premium"]', "+= 0"),
    Mutant("7.3 the newest weighs most", 'weight = k["premium_count"] if linear else 1', "weight = 1"),
    Mutant("5.2 forced fills without a fee", '["step"]]["taker_fee"] != 0', '["step"]]["taker_fee"] >= 0'),
    Mutant("6.5 a forced fill costs its own pool", " and reason != FillReason.LIQUIDATION", ""),
    Mutant("8.1 most urgent first", '["breach"] > worst:', '["breach"] > 0.0 and chosen < 0:'),
    Mutant("8.2 what the venue holds", 'OrderStatus.IN_FLIGHT and o["trigger_ts"] >= 0', "OrderStatus.IN_FLIGHT"),
    Mutant("8.2 end of the window", 'ts >= w.accounts[x["account"]]["full_s', 'ts > w.accounts[x["account"]]["full_s'),
    Mutant("8.2 fee out of what is left", 'market["tick_size"]), max(0.0, equity))', 'market["tick_size"]), 1e9)'),
    Mutant("8.2 one order a breach", 's["once"] != 0 and not first', 's["once"] != 0 and first'),
    Mutant("8.2 every row is tried", 'range(r["step_first"], r', 'range(r["step_first"] + 1, r'),
    Mutant("8.2 only a low pool", 'equity < s["equity_below"] * needed', "True"),
    Mutant("8.2 a flat pool has no more rows", "if count > 0 and not waits", "if not waits"),
    Mutant("8.2 a part opens the window", 'window = ts + s["full_window_ns"]', "pass"),
    Mutant(
        "8.2 a breach ends with a check",
        'row["state"] = PoolState.HEALTHY\n        row["round_ts"] = -1',
        'row["state"] = PoolState.HEALTHY',
    ),
    Mutant("8.4 the end ends the wait", "if code == Advance.CHUNK_DONE and", "if code == Advance.STARTED and"),
    Mutant("8.4 the takeover waits", 's["after_ns"] > longest', 's["after_ns"] >= max(longest, 1)'),
    Mutant("8.3 the fund pays what it has", "paid = min(owed,", "paid = max(owed,"),
    Mutant("8.3 share of the equity", "return mark - equity * share / units", "return mark - equity / units"),
    Mutant("8.3 limit rounded inwards", "math.ceil(ticks - HAIR)", "math.floor(ticks + HAIR)"),
    Mutant("8.4 deficit of a pool", "max(0.0, -equity)", "abs(equity)"),
    Mutant("8.4 price of a takeover", " if at_mark else bankruptcy_price(m, w, i)", ""),
    Mutant("8.4 the reserve refills the fund", "if fund < 0.0:", "if fund < -1e9:"),
    Mutant("8.5 what is not sold is kept", "kept = lots - got if selling", "kept = lots if selling"),
    Mutant("8.5 result of a bought-back short", "paid if selling else -paid", "paid"),
    Mutant(
        "11.1 liquidated and flat", 'was_liquidated = was_liquidated or pool["rounds"] > 0', "was_liquidated = False"
    ),
    Mutant("11.2 a frozen feed", '["outage"] & FEED_FROZEN == 0 and broken', '["outage"] & 0 == 0 and broken'),
    Mutant("11.2 marks that came while it was frozen", "seen[slot] = marks[slot]", "pass"),
    Mutant("11.2 a return counts from the view", 'place = v["seen"] - 1 - back', 'place = v["count"] - 1 - back'),
    Mutant("11.2 the worst pool", "worst, chosen = _ratio(needed, equity), pool", "worst, chosen = 1e300, pool"),
    Mutant(
        "11.2 the worst of none",
        "else np.nan\n    first, behind = pools_meant(",
        "else 0.0\n    first, behind = pools_meant(",
    ),
    Mutant("11.2 what nets", '["base"] == base:', '["base"] == base and j == i:'),
    Mutant(
        "11.2 the highest equity so far",
        'max(a["equity_high"], account_seen(m, w, account))',
        "account_seen(m, w, account)",
    ),
    Mutant("11.2 tiers on the way", "buffer -= loss * abs(border - price)", "return np.inf"),
    Mutant(
        "11.2 the rate of the last record",
        'return i["funding_rate"] if i["funding_ts"] >= 0 else np.nan',
        "return np.nan",
    ),
    Mutant(
        "11.3 false and unknown", "if left == decides or right == decides:", "if left == decides and right == decides:"
    ),
    Mutant("11.3 unknown ends what lasts", "if truth != 1.0:", "if truth == 0.0:"),
    Mutant("11.3 lasts for so long", '<= t - op["ns"] else 0.0', '< t - op["ns"] else 0.0'),
    Mutant("11.4 end of the cool-down", 'elif t < g["ready_ts"]:', 'elif t <= g["ready_ts"]:'),
    Mutant("11.4 unknown does not arm", "Rearm.WHEN_FALSE and truth == 0.0", "Rearm.WHEN_FALSE and truth != 1.0"),
    Mutant("11.4 passed only if false", "if truth == 0.0:\n            note(", "if truth != 1.0:\n            note("),
    Mutant("11.4 confirmed in time", 'if t >= g["confirm_ts"] and', 'if t > g["confirm_ts"] and'),
    Mutant("11.4 one row a stretch", 'and g["held"] != before:', "and True:"),
    Mutant("11.5 under way", '- _under_way(w, g["account"], p)', "- 0"),
    Mutant("11.5 of that position", 'if o["position"] == p else 0', "if True else 0"),
    Mutant("11.5 twenty a minute", "MOST_SENT, SENT_WITHIN_NS = 20,", "MOST_SENT, SENT_WITHIN_NS = 21,"),
    Mutant("11.5 what the venue takes", 'lots = min(lots, k["max_market_lots"])', "pass"),
    Mutant("11.5 rounded up", "closed = -(-k * size // PARTS)", "closed = k * size // PARTS"),
    Mutant("11.5 the fee of closing", "(abs(value) - left) * m.rules", "0.0 * m.rules"),
    Mutant(
        "11.5 pools of the scope",
        "for pool in range(first_pool, behind_pools):\n        row",
        "for pool in range(first_pool, first_pool + 1):\n        row",
    ),
    Mutant("11.5 the key of a fire", '65536 * (g["fires"] - 1) + place', '65536 * g["fires"] + place'),
    Mutant("11.5 reaction", 'o["reaction_ns"], SENT), ARRIVAL)', "np.int64(0), SENT), ARRIVAL)"),
)


def altered_in(package: Path) -> list[Path]:
    """The sources that mutants alter."""
    return sorted(path for room in ("engine", "formulas") for path in (package / room).rglob("*.py"))


def mutated(package: Path, mutant: Mutant) -> None:
    """Alter the one line of the copied kernels and of the formulas that they are made of."""
    sources = {path: path.read_text(encoding="utf-8") for path in altered_in(package)}
    assert sum(text.count(mutant.line) for text in sources.values()) == 1, "the line must be there once"
    for path, text in sources.items():
        path.write_text(text.replace(mutant.line, mutant.becomes), encoding="utf-8")


def hunt(folder: Path, ends: Sequence[tuple[int, str]]) -> subprocess.CompletedProcess[str]:
    """Run the comparison on the package in `folder`."""
    environment = os.environ | {
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "NUMBA_DISABLE_JIT": "1",
        "BACKTESTER_CACHE_DIR": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    (folder / "ends.json").write_text(json.dumps(ends), encoding="utf-8")
    command = [sys.executable, "-m", "tests.oracle.hunt", "ends.json"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def ends() -> list[str]:
    """How the unaltered engine ends in each universe."""
    return [end(seeded(seed)) for seed in range(UNIVERSES)]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package."""
    return shutil.copytree(
        ROOT / "backtester",
        tmp_path / "backtester",
        ignore=shutil.ignore_patterns("__pycache__", "_scenarios", "_data"),
    )


def test_every_mutant_alters_one_line() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in altered_in(ROOT / "backtester"))
    assert {mutant.rule: text.count(mutant.line) for mutant in MUTANTS if text.count(mutant.line) != 1} == {}


@pytest.mark.slow
def test_the_unaltered_copy_agrees(package: Path) -> None:
    done = hunt(package.parent, [(seed, "") for seed in range(60)])  # as none ends: each is compared
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.rule for mutant in MUTANTS])
def test_every_mutant_is_caught(package: Path, ends: list[str], mutant: Mutant) -> None:
    mutated(package, mutant)
    known = [] if mutant.seed is None else [(mutant.seed, end(seeded(mutant.seed)))]
    done = hunt(package.parent, [*known, *enumerate(ends)])
    assert done.returncode == DIFFERENT, f"{mutant}: nothing found\n{done.stdout}{done.stderr}"
