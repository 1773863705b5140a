"""What the shell is offered, asked as bash asks: by the environment, without an argument."""

from __future__ import annotations

import pytest

from backtester.cli.app import main


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("run p.toml --scenario 2025-1", "2025-10-10 2025-11-21"),
        ("run p.toml --scenario al", "all alts alts-fall"),
        ("run p.toml --scenario 2024-08-05,2025-10-10+outage-", "2024-08-05,2025-10-10+outage-at-low"),
        ("scenarios show 2025-10-10+or", "2025-10-10+oracle-outlier"),
        ("scenarios check 2020-0", "2020-03-12 2020-05-10 2020-08-02"),
        ("run p.toml --venue hyper", "hyperliquid"),
        ("run p.toml --tape hyper", "hyperliquid-btc hyperliquid-eth"),
        ("venues show bin", "binance-usdm"),
        ("venues show hyperliquid@2025-10-10 --symbol BT", "BTC"),
        ("calc liquidation --venue hyperliquid --symbol BT", "BTC"),
        ("calc liquidation --symbol BT", ""),  # of which venue?
        ("calc liquidation --venue typo --symbol BT", ""),
        ("data check binance", "binance-usdm-btc binance-usdm-eth"),
        ("data synth hyperliquid-e", "hyperliquid-eth"),
    ],
)
def test_what_is_offered(
    line: str, offered: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtester", *line.split(" ")]
    monkeypatch.setenv("_BACKTESTER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == offered.split()
