"""What a file is, by its first bytes, at every door."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from backtester.cli.app import main
from backtester.filekinds import CSV, JSON, RECORDING, TOML, foreign, kind_of

CSV_TEXT = "timestamp,bid_price_0,bid_size_0,ask_price_0,ask_size_0\n1,2,3,4,5\n"
LINE = '1723161255000000000 {"stream": "x"}\n'


def packed(text: str, name: str) -> bytes:
    return bytes(pa.Codec(name).compress(text.encode(), asbytes=True))


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", text)
    return buffer.getvalue()


FILES = {
    "a gzip file": gzip.compress(CSV_TEXT.encode()),
    "an lz4 file": packed(CSV_TEXT, "lz4"),
    "a zstd file": packed(CSV_TEXT, "zstd"),
    "a zip file": zipped(CSV_TEXT),
    "a bzip2 file": bz2.compress(CSV_TEXT.encode()),
    "an xz file": lzma.compress(CSV_TEXT.encode()),
    "a Parquet file": b"PAR1\x15\x04",
    "a CSV file": CSV_TEXT.encode(),
    "a recording of JSON with receive times": LINE.encode(),
    "JSON": b'{"time": 1, "raw": {}}\n{"time": 2}\n',
    "a TOML file": b'# mine\n\nname = "p"\n[[accounts]]\n',
    "text in UTF-16": 'name = "p"'.encode("utf-16"),
    "binary data of no known kind": bytes(range(64)),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_has_its_name(name: str) -> None:
    found = kind_of(FILES[name])
    assert found is not None and found.name == name


@pytest.mark.parametrize("text", ["[[accounts]]", "[a.b] # c", '"a.b" = 1', "x=[1,2]"])
def test_toml(text: str) -> None:
    assert kind_of(text.encode()) is TOML


@pytest.mark.parametrize("head", [b"", b"# only a comment", b"hello", "naïve".encode("latin-1")])
def test_what_is_of_no_known_kind_is_left_to_its_reader(head: bytes) -> None:
    assert kind_of(head) is None


def test_packed_files_that_a_reader_unpacks(tmp_path: Path) -> None:
    for name, content in {"a.csv.gz": FILES["a gzip file"], "a.csv.zst": FILES["a zstd file"]}.items():
        (tmp_path / name).write_bytes(content)
        assert not foreign(tmp_path / name, "data", CSV, unpacks=name.endswith(".gz"))
    assert foreign(tmp_path / "a.csv.gz", "data", RECORDING, unpacks=True)[0].message.startswith("is a CSV file, not")
    assert not foreign(tmp_path / "missing", "data", TOML, JSON)


READERS = {
    "a Parquet file": ["data", "check", "FILE"],
    "a CSV file": [
        *("data", "ingest", "wide-snapshots", "FILE", "OUT", "--symbol", "X", "--venue", "v"),
        *("--instrument", "X:tick=1,lot=1"),
    ],
    "a recording of JSON with receive times": [
        *("data", "ingest", "binance-ws", "FILE", "OUT", "--symbol", "X", "--instrument", "X:tick=1,lot=1")
    ],
    "a TOML file": ["run", "FILE"],
}


@pytest.mark.parametrize("reader", READERS)
def test_every_door_names_what_it_was_given(reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    unpacks = {"a gzip file"} if reader.startswith("a recording") else set()
    for name in FILES.keys() - {reader} - unpacks:
        path.write_bytes(FILES[name])
        command = [{"FILE": str(path), "OUT": str(tmp_path / "out")}.get(word, word) for word in READERS[reader]]
        assert main(command) == (3 if reader == "a TOML file" else 4)
        said = capsys.readouterr()
        assert said.out == "" and f"{path}: is {name}, not {reader}\n" in said.err
        assert not (tmp_path / "out").exists()
    path.write_bytes(FILES["an lz4 file"])


@pytest.mark.parametrize(("verb", "ending", "fitting"), [("show", "parquet", "Parquet"), ("build", "toml", "TOML")])
def test_scenarios_too(
    verb: str, ending: str, fitting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"path.{ending}"
    path.write_bytes(FILES["an lz4 file"])
    assert main(["scenarios", verb, str(path)]) == 3
    assert f"is an lz4 file, not a {fitting} file" in capsys.readouterr().err


def test_another_csv_is_named_by_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_text("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n")
    command = [{"FILE": str(path), "OUT": str(tmp_path / "out")}.get(word, word) for word in READERS["a CSV file"]]
    assert main(command) == 4
    assert "Tardis incremental_book_L2, changes of levels" in capsys.readouterr().err
