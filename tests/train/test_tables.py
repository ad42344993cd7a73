"""CSV files as people have them: each fault is a sentence that says where it is and what to do."""

from __future__ import annotations

import time

import jax
import numpy as np
import pandas as pd
import pytest

import cycloid as cy

KEY = jax.random.key(0)


def load(path, target="y", **options):
    return cy.train.load(path, target, key=KEY, **options)


def rows(count=40):
    """Lines of a small sound table: x1, x2, y = x1 + x2."""
    random = np.random.default_rng(0)
    return [f"{a:.3f},{b:.3f},{a + b:.3f}" for a, b in random.normal(size=(count, 2))]


@pytest.fixture
def csv(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def table(lines, header="x1,x2,y"):
    return "\n".join([header, *lines]) + "\n"


def replaced(line, text):
    lines = rows()
    lines[line] = text
    return table(lines)


FAULTS = {
    "empty": ("", "is empty: it needs a line of column names"),
    "blank": ("\n \n\n", "is empty"),
    "header only": ("x1,x2,y\n", "has column names and no rows"),
    "one row": (table(rows(1)), "has 1 row with a target: at least ten"),
    "four rows": (table(rows(4)), "4 rows are too few for the split"),
    "text among numbers": (
        replaced(16, "1.5,tall,2.0"),
        r"column 'x2', row 17 \(line 18 of the file\): 'tall' is not a number",
    ),
    "text in the target": (replaced(3, "1.5,2.5,much"), r"column 'y', row 4 \(line 5 of the file\): 'much'"),
    "a number beyond all data": (replaced(16, "1.5,1e300,2.0"), "'1e300' is not a number up to 1e\\+100"),
    "infinity": (replaced(16, "1.5,-inf,2.0"), "'-inf' is not a number up to 1e"),
    "too many cells": (replaced(5, "1,2,3,4"), "line 7 of .* has 4 cells, the header has 3"),
    "too few cells": (replaced(5, "1,2"), "line 7 of .* has 2 cells, the header has 3"),
    "columns of one name": (table(rows(), "x,x,y"), "two columns called 'x', number 1 and number 2"),
    "one column": ("y\n" + "1\n2\n" * 20, "one column only"),
    "a quote not closed": (replaced(5, '"1,2,3'), "quotation mark may never be closed"),
    "latin-1": (table(rows(), "x1,größe,y").encode("latin-1"), 'encoding="latin-1"'),
    "binary": (b"\x00\x01\x02" * 100, "binary file"),
    "a workbook": (b"PK\x03\x04" + b"x" * 100, "Excel workbook"),
    "UTF-16": (table(rows()).encode("utf-16"), "UTF-16 text"),
    "an empty target": (table([f"{line.rpartition(',')[0]}," for line in rows()]), "target 'y' is empty in every row"),
    "one class": (table([f"{line.rpartition(',')[0]},yes" for line in rows()]), "every row has the target 'y' = yes"),
    "one number": (table([f"{line.rpartition(',')[0]},7" for line in rows()]), "every row has the target"),
    "a target of names": (
        table([f"{line.rpartition(',')[0]},person {i}" for i, line in enumerate(rows(300))]),
        "looks like a name or free text",
    ),
    "a target of dates": (
        table([f"{line.rpartition(',')[0]},2024-01-{i % 28 + 1:02d}" for i, line in enumerate(rows())]),
        "holds dates",
    ),
    "nothing but constants": (table([f"1,2,{i}.5" for i in range(40)]), "no column is left to learn from"),
    "thousands": (
        table([f'"{1 + i},250";{i % 7};{i}.5' for i in range(40)], "x1;x2;y"),
        r"'1,250' is not a number.*Write 1234\.5",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_sentence(csv, fault):
    text, words = FAULTS[fault]
    with pytest.raises(ValueError, match=words) as caught:
        load(csv(text))
    assert str(caught.value).rstrip().endswith((".", "?"))


def test_a_target_that_is_not_there(csv):
    path = csv(table(rows()))
    with pytest.raises(ValueError, match=r"no column 'X3'\. Did you mean 'x2'\?|Its columns are x1, x2, y"):
        load(path, "X3")
    with pytest.raises(ValueError, match=r"which column .* is to be predicted\?.*x1, x2, y"):
        load(path, None)
    assert load(path, " Y ").target == "y"


def test_what_is_no_file(tmp_path, csv):
    with pytest.raises(ValueError, match="is a directory"):
        load(tmp_path)
    csv(table(rows()), "houses.csv")
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'houses\.csv'"):
        load(tmp_path / "house.csv")
    with pytest.raises(FileNotFoundError, match="Did you mean 'diabetes'"):
        cy.train.load("diabetis", key=KEY)


@pytest.mark.parametrize("newline", [True, False])
def test_a_million_columns_are_refused_before_they_are_read(csv, newline):
    header = ",".join(f"column{i}" for i in range(1_000_000))
    path = csv(header + ("\n" + ",".join(["1"] * 1_000_000)) * newline)
    began = time.process_time()
    with pytest.raises(ValueError, match="10,000 columns"):
        load(path)
    assert time.process_time() - began < 20  # not a measure of speed: reading it all would take minutes
    few = ",".join(f"c{i}" for i in range(20_000))
    with pytest.raises(ValueError, match="20,000 columns, more than the 10,000"):
        load(csv(few + "\n" + "1," * 19_999 + "1\n"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_found(csv, separator):
    data = load(csv(table(rows()).replace(",", separator)))
    plain = load(csv(table(rows())))
    np.testing.assert_array_equal(data.train.x, plain.train.x)
    assert any("separated by" in line for line in data.report)


def test_decimal_commas_of_a_european_table(csv):
    text = table(rows()).replace(",", ";").replace(".", ",")
    np.testing.assert_array_equal(load(csv(text)).train.x, load(csv(table(rows()))).train.x)


def test_a_byte_order_mark_and_blank_lines_do_no_harm(csv):
    text = b"\xef\xbb\xbf" + table(rows()).replace("\n", "\r\n").encode() + b"\r\n\r\n"
    data = load(csv(text))
    assert data.features == ("x1", "x2")


def test_quoted_cells_hold_commas_and_line_breaks(csv):
    lines = [f'"{"left, up" if i % 2 else "right" + chr(10) + "down"}",{i},{i * 2}.5' for i in range(40)]
    data = load(csv(table(lines, '"way, to",n,y')))
    assert data.features[0] in ("way, to = left, up", "way, to = right\ndown")


def test_numbers_as_names_are_pointed_out(csv):
    data = load(csv(table(rows(), "1,2,3")), "3")
    assert any("first line holds numbers only" in line for line in data.report)


def messy(count=200, seed=0):
    """A table as it comes: empty cells, categories with rare ones, a constant, an id, names, dates, copies."""
    random = np.random.default_rng(seed)
    age = random.integers(20, 80, count).astype(float)
    city = random.choice(["Rome", "Oslo", "Lima"], count, p=[0.5, 0.3, 0.2]).astype(object)
    city[random.choice(count, 2, replace=False)] = ["Atlantis", "Eldorado"]
    smoker = random.choice(["yes", "no"], count)
    score = 0.3 * age + 5 * (city == "Oslo") + 4 * (smoker == "yes") + random.normal(size=count)
    frame = pd.DataFrame(
        {
            "id": np.arange(count) + 1000,
            "name": [f"person {i}" for i in range(count)],
            "age": age,
            "city": city,
            "smoker": smoker,
            "country": "Freedonia",
            "since": pd.date_range("2020-01-01", periods=count).astype(str),
            "score": score,
        }
    )
    frame["age"] = frame["age"].astype(object)
    frame.loc[random.choice(count, 20, replace=False), "age"] = "NA"
    frame.loc[random.choice(count, 15, replace=False), "city"] = ""
    frame.loc[random.choice(count, 5, replace=False), "score"] = np.nan
    return pd.concat([frame, frame.iloc[:3]])


def test_a_messy_table_is_made_ready_and_reported(csv):
    path = csv(messy().to_csv(index=False))
    data = load(path, "score")
    report = data.describe()
    for words in (
        "203 rows, 8 columns",
        "without a target were left out",
        "are copies of another",
        "'id' looks like a number given to each row and was left out",
        "'name' has",
        "'age': ",
        "filled with the median",
        '"(missing)" being one',
        "'country' is constant",
        "'since' holds dates",
        "regression",
    ):
        assert words in report, words
    assert "age is missing" in data.features
    assert "city = Oslo" in data.features
    assert "smoker = no" in data.features or "smoker = yes" in data.features
    assert not any("country" in name or name.startswith(("id", "name")) for name in data.features)
    assert np.isfinite(np.asarray(data.train.x)).all()
    run = cy.train.fit("linear", data, key=KEY, method=cy.optimize.Adam(0.02), max_steps=600)
    assert run.metrics["r2"].value > 0.8
    assert run.verdict.improved == "yes"


def test_new_rows_take_the_same_way(csv):
    frame = messy()
    data = load(csv(frame.to_csv(index=False)), "score")
    fresh = frame.head(4).copy()
    fresh["city"] = ["Rome", "Neverland", None, "Oslo"]
    x = np.asarray(data.transform(fresh.drop(columns=["score", "id"])))
    assert x.shape == (4, len(data.features))
    cities = [i for i, name in enumerate(data.features) if name.startswith("city = ")]
    named = [data.features[i] for i in cities]
    assert x[0, cities].tolist() == [float(n == "city = Rome") for n in named]
    assert x[1, cities].tolist() == [float(n == "city = (other)") for n in named]
    assert x[2, cities].tolist() == [float(n == "city = (missing)") for n in named]
    with pytest.raises(ValueError, match="lack the columns age"):
        data.transform([{"city": "Rome"}])
    broken = fresh.assign(age="old")
    with pytest.raises(ValueError, match="column 'age', row 1: 'old' is not a number"):
        data.transform(broken)


def test_columns_can_be_kept_and_dropped(csv):
    path = csv(messy().to_csv(index=False))
    data = load(path, "score", keep=["id"], drop=["city"])
    assert "id" in data.features
    assert not any(name.startswith("city") for name in data.features)
    with pytest.raises(ValueError, match="drop= names 'town'"):
        load(path, "score", drop=["town"])


def test_a_column_that_gives_the_target_away_is_pointed_out(csv):
    lines = [f"{line},{float(line.rpartition(',')[2]) * 2 + 1:.4f}" for line in rows()]
    data = load(csv(table(lines, "x1,x2,y,twice")))
    assert [line for line in data.report if line.startswith("Warning: 'twice' nearly equals the target")]
    labels = [f"{line.rpartition(',')[0]},{'AB'[i % 2]},{'ab'[i % 2]}" for i, line in enumerate(rows())]
    data = load(csv(table(labels, "x1,x2,y,small")))
    assert [line for line in data.report if line.startswith("Warning: 'small'")]
    assert not [line for line in data.report if line.startswith("Warning: 'x1'")]
