"""The condition language: what its texts mean, where a wrong one is wrong, and Kleene's tables."""

from __future__ import annotations

import pytest

from backtester.config.conditions import (
    And,
    Comparison,
    Field,
    Membership,
    Not,
    Number,
    Or,
    Share,
    Step,
    Word,
    Wrong,
    parse,
)
from backtester.config.judging import Figure, Kind, Outcome, Reading, Rows, Table, Truth, check, judge

POSITION = Table({"funding": Figure(Kind.AMOUNT), "notional": Figure(Kind.AMOUNT)})
ACCOUNT = Table(
    {
        "buffer_min": Figure(Kind.AMOUNT),
        "notional": Figure(Kind.AMOUNT),
        "margin_ratio_max": Figure(Kind.FRACTION),
        "buffer_min_ts": Figure(Kind.TIME),
        "positions": Rows(POSITION, ("BTC", "ETH")),
    }
)
CELL = Table(
    {
        "verdict": Figure(Kind.WORD, ("insolvent", "liquidated", "survived")),
        "flags": Figure(Kind.WORDS),
        "loss": Figure(Kind.AMOUNT),
        "loss_pct": Figure(Kind.PERCENT),
        "slippage_bps": Figure(Kind.BPS),
        "equity_start": Figure(Kind.AMOUNT),
        "accounts": Rows(ACCOUNT, ("main", "hedge")),
    }
)
HELD: dict[str, float | tuple[str, ...] | None] = {
    "verdict": ("liquidated",),
    "flags": ("severe_loss", "taken_over"),
    "loss": 400.0,
    "loss_pct": 0.4,
    "slippage_bps": 0.002,
    "equity_start": 1000.0,
    "accounts": 2,
    "accounts[main].buffer_min": 20_000.0,
    "accounts[main].notional": 1_900_000.0,
    "accounts[main].margin_ratio_max": 0.4,
    "accounts[main].buffer_min_ts": 600.0,
    "accounts[main].positions[BTC].funding": -5.0,
    "accounts[hedge].buffer_min": None,
}


def read(field: Field) -> Reading:
    return Reading(HELD[str(field)], str(HELD[str(field)]))


def judged(text: str) -> Outcome:
    return judge(check(parse(text), CELL), read)


def field(name: str) -> Field:
    return Field((Step(name, None),), 0)


# --- the grammar ---------------------------------------------------------------------------------------------------


def test_and_binds_before_or_and_not_before_both() -> None:
    a, b, c = (Comparison(field(name), "<", Number(1.0, "", 0), 0) for name in "abc")
    assert parse("not a < 1 and b < 1 or c < 1") == Or((And((Not(a), b)), c))
    assert parse("not (a < 1 and (b < 1 or c < 1))") == Not(And((a, Or((b, c)))))
    assert parse("a < 1 and b < 1") != parse("a < 1 or b < 1")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("x > 40", Number(40.0, "", 0)),
        ("x > -1_000.5", Number(-1000.5, "", 0)),
        ("x > 40 %", Number(40.0, "%", 0)),
        ("x > 1e-3bps", Number(0.001, "bps", 0)),
        ("x > 10m", Number(10.0, "m", 0)),
        ("x > 1.5% notional", Share(1.5, field("notional"), 0)),
        ('x > "a b"', Word("a b", 0)),
        ("x > a[b, bid, 10bps].c", Field((Step("a", "b, bid, 10bps"), Step("c", None)), 0)),
    ],
)
def test_operands(text: str, right: object) -> None:
    assert parse(text) == Comparison(field("x"), ">", right, 0)  # type: ignore[arg-type]


def test_words_in_brackets() -> None:
    assert parse("verdict in[liquidated, '2025-10-10']") == Membership(
        field("verdict"), (Word("liquidated", 0), Word("2025-10-10", 0))
    )


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("", 1, "expected a field, a number or a word, found the end", ""),
        ("loss_pct", 9, "expected one of < <= > >= == != in, found the end", ""),
        ("loss_pct >", 11, "expected a field, a number or a word, found the end", ""),
        ("loss_pct = 3", 10, 'cannot read "= 3"', 'equal is "=="'),
        ("a < 1 && b < 1", 7, 'cannot read "&& b < 1"', 'write "and"'),
        ("(a < 1", 7, 'expected "and", "or" or ")", found the end', ""),
        ("a < 1)", 6, 'expected "and", "or" or the end, found ")"', ""),
        ("verdict in liquidated", 12, 'expected "[" and words, found "liquidated"', ""),
        ("verdict in []", 13, 'expected a word, found "]"', 'quote what is no name: "2025-10-10"'),
        ("scenario == 'x", 13, "a quote that does not end", ""),
        ("a < 1e999", 5, "a number that large does not exist", ""),
        ("loss > 100,000", 8, "a number has no commas", "write 100_000 or 100000"),
        ("loss > -1,234,567.5", 8, "a number has no commas", "write -1_234_567.5 or -1234567.5"),
        ("loss > 1,5", 9, 'expected "and", "or" or the end, found ","', ""),
        ("3 in [a]", 1, "a field stands before in", ""),
        ("not " * 17 + "a < 1", 69, "nested deeper than 16", ""),
        ("(" * 5000, 1000, "longer than 1,000 characters", ""),
    ],
)
def test_a_text_that_cannot_be_read(text: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(Wrong) as caught:
        parse(text)
    assert (caught.value.column, str(caught.value), caught.value.hint) == (column, f"column {column}: {message}", hint)


# --- its words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("los_pct > 3", 1, "there is no los_pct", 'did you mean "loss_pct"?'),
        ("verdict in [survived, liquidatd]", 23, '"liquidatd" is none of its words', 'did you mean "liquidated"?'),
        ("verdict == liquidatd", 12, '"liquidatd" is none of its words', 'did you mean "liquidated"?'),
        ("verdict == loss_pct", 12, "the two sides are not of one kind: money, share, time or word", ""),
        ("verdict > liquidated", 9, "words are equal or not", "== or !="),
        ("flags == severe_loss", 7, "holds several words", "write: in [word, …]"),
        ("accounts[mian].buffer_min < 1", 9, "there is no accounts[mian]", 'did you mean "main"?'),
        ("accounts[main].bufer_min < 1", 16, "there is no accounts[main].bufer_min", 'did you mean "buffer_min"?'),
        ("accounts[main].positions[BTX].funding < 1", 25, "there is no positions[BTX]", 'did you mean "BTC"?'),
        ("accounts.buffer_min < 1", 1, "accounts are several", "choose one: accounts[main]"),
        ("loss[main] < 1", 1, "loss is one, there is nothing to choose", "write loss"),
        ("accounts[main].buffer_min < 1% notnal", 29, "there is no accounts[main].notnal", 'did you mean "notional"?'),
        ("loss in [a]", 1, "loss is a number, not a word", "compare it: < <= > >= == !="),
        ("loss == 'a'", 9, "a word beside a number", ""),
        ("loss > 5%", 8, "the field is an amount", "a share of what? 5% equity_start"),
        ("loss > 5m", 8, "the field is an amount", "write a plain number"),
        ("loss_pct > 5m", 12, "the field is in per cent", "write 5%"),
        ("accounts[main].margin_ratio_max > 40", 35, "the field is a fraction, 1 is all of it", "write 40%"),
        ("accounts[main].margin_ratio_max > 1", 35, "the field is a fraction, 1 is all of it", "write 1%"),
        ("accounts[main].buffer_min_ts > 9", 32, "the field is a time", "write 9s, 9m or 9h"),
        ("verdict == 3", 12, "the field is a word", "quote it if it is one"),
        ("1 < 2", 3, "compares no field", ""),
        ("loss > loss_pct", 8, "the two sides are not of one kind: money, share, time or word", ""),
    ],
)  # fmt: skip
def test_a_text_that_means_nothing_here(text: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(Wrong) as caught:
        check(parse(text), CELL)
    assert (caught.value.column, str(caught.value), caught.value.hint) == (column, f"column {column}: {message}", hint)


# --- its truth -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("verdict in [liquidated, insolvent]", True),
        ("verdict == liquidated", True),
        ("liquidated == verdict", True),
        ("verdict != liquidated", False),
        ("flags in [taken_over, deficit]", True),
        ("not flags in [deficit]", True),
        ("loss_pct > 40", False),
        ("loss_pct >= 40", True),
        ("loss_pct >= 40%", True),
        ("loss_pct <= 4000 bps", True),
        ("39.9 < loss_pct", True),
        ("slippage_bps == 20", True),
        ("slippage_bps == 0.2%", True),
        ("accounts[main].margin_ratio_max == 0.4", True),
        ("accounts[main].margin_ratio_max == loss_pct", True),
        ("loss > 39% equity_start", True),
        ("accounts[main].buffer_min < 1.5% notional", True),  # 28,500
        ("accounts[main].buffer_min < 1.0% notional", False),  # 19,000
        ("accounts[main].buffer_min < 1.5% accounts[main].notional", True),
        ("accounts[main].buffer_min_ts == 10m", True),
        ("accounts[main].buffer_min_ts < 1h", True),
        ("accounts[main].positions[BTC].funding < -4.9", True),
        ("accounts == 2", True),
        ("accounts[hedge].buffer_min < 1", None),
        ("accounts[hedge].buffer_min < 1 and loss < 1", False),
        ("accounts[hedge].buffer_min < 1 or loss > 1", True),
    ],
)
def test_what_holds(text: str, truth: Truth) -> None:
    assert judged(text).truth is truth


def test_the_figures_that_decided_are_named() -> None:
    assert judged("loss > 1 or accounts[hedge].buffer_min < 1").said == ("loss is 400.0",)
    assert judged("loss > 1 and accounts[hedge].buffer_min < 1").said == ("accounts[hedge].buffer_min is not known",)
    assert judged("loss > 1% equity_start").said == ("loss is 400.0", "equity_start is 1000.0")


T, F, U = True, False, None
SAYS: dict[Truth, str] = {T: "loss > 1", F: "loss < 1", U: "accounts[hedge].buffer_min < 1"}


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        (T, T, T, T), (T, F, F, T), (T, U, U, T),
        (F, T, F, T), (F, F, F, F), (F, U, F, U),
        (U, T, U, T), (U, F, F, U), (U, U, U, U),
    ],
)  # fmt: skip
def test_kleene(a: Truth, b: Truth, both: Truth, either: Truth) -> None:
    assert judged(f"{SAYS[a]} and {SAYS[b]}").truth is both
    assert judged(f"{SAYS[a]} or {SAYS[b]}").truth is either
    assert judged(f"not ({SAYS[a]} or {SAYS[b]})").truth is judged(f"not {SAYS[a]} and not {SAYS[b]}").truth


@pytest.mark.parametrize(("a", "opposite"), [(T, F), (F, T), (U, U)])
def test_the_opposite(a: Truth, opposite: Truth) -> None:
    assert judged(f"not {SAYS[a]}").truth is opposite
