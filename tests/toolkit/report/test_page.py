"""The page as a document: safe, self-contained, small, the same every time."""

import base64
import hashlib
import re
import subprocess
import sys

import numpy as np

HOSTILE = "<script>alert(1)</script>\"'&><img src=x onerror=alert(2)>"


def test_hostile_names_stay_text(tmp_path, boards, report):
    row = boards.row(
        0,
        0.5,
        (HOSTILE,) * 3,
        model=HOSTILE,
        dataset=HOSTILE,
        hyper={HOSTILE: HOSTILE, "lr": 0.1},
        note=HOSTILE,
        finished=HOSTILE,
        seed=HOSTILE,
        feat_type=HOSTILE,
        device=HOSTILE,
        versions={HOSTILE: HOSTILE},
        files={"cv": HOSTILE},
    )
    other = boards.row(1, 0.4, (HOSTILE,) * 3, hyper={HOSTILE: "x", "lr": 0.2}, model=HOSTILE, dataset=HOSTILE)
    failed = row | {"run_id": "f", "status": "failed"}
    page = report(boards.write(tmp_path / "x", [row, other, failed]), title=HOSTILE)
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1 and "img" not in names
    assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert page.records("t-features")[0]["model"] == HOSTILE * 2  # the model, and the feature type below it
    assert page.records("t-failed")[0]["reason"] == HOSTILE
    assert f"{HOSTILE}\u00a0{HOSTILE}" in page.text


def test_a_lone_surrogate_does_not_stop_the_page(tmp_path, boards, report):
    row = boards.row(0, 0.5, hyper={"x": "\ud800"})
    assert report(boards.write(tmp_path / "x", [row])).records("t-features")[0]["best hyper-parameters"] == "x\u00a0?"


def test_nothing_outside_the_page(tmp_path, boards, report):
    page = report(boards.write(tmp_path / "x", [boards.row(n, 0.5 + n / 100) for n in range(8)]))
    assert not re.search(r"https?://|@import|url\(", page.source)
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [attrs["href"] for _, attrs in page.tags if "href" in attrs]
    assert len(links) >= 8 and all(link[0] == "#" and link[1:] in ids for link in links)
    assert not any({"src", "srcset", "data", "action"} & attrs.keys() or tag == "link" for tag, attrs in page.tags)


def test_the_policy_admits_the_pages_own_script_only(tmp_path, boards, report):
    page = report(boards.write(tmp_path / "x", [boards.row(0, 0.5)]))
    (script,) = re.findall(r"<script>(.*?)</script>", page.source, re.S)
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_headings_sort_and_odd_cells_carry_their_value(tmp_path, boards, report):
    rows = [boards.row(0, 0.5, seconds="3700"), boards.row(1, 0.6, ("b-UTT",) * 3, fold_f1=[0.6], seconds="")]
    page = report(boards.write(tmp_path / "x", rows))
    heads = [attrs for tag, attrs in page.tags if tag == "th" and "data-type" in attrs]
    assert all(head["aria-sort"] == "none" and head["data-type"] in ("num", "text") for head in heads)
    names = page.tables["t-features"][0]
    types = dict(zip(names, (head["data-type"] for head in heads), strict=False))
    assert types["best f1"] == types["time"] == types["runs"] == "num" and types["features"] == "text"
    values = [dict(zip(names, row, strict=True)) for row in page.sort_values["t-features"][1:]]
    shown = page.records("t-features")
    assert [row["time"] for row in values] == ["", "3700.0"] and shown[1]["time"] == "1 h 01 min"
    assert [row["\u00b1 folds"] for row in values] == ["", None]  # one fold has no deviation; 0.0300 sorts as it is
    assert [row["best f1"] for row in values] == [None, None]


def test_hidden_test_labels_and_optimism_are_said(tmp_path, boards, report):
    text = report(boards.write(tmp_path / "x", [boards.row(0, 0.5)])).text
    assert "The labels of MER2024's test1 are hidden" in text
    assert "best epoch was chosen on that same fold" in text


def test_2500_runs_stay_below_3_mb_and_the_page_is_the_same_twice(tmp_path, boards, report):
    generator = np.random.default_rng(0)
    rows = []
    for number in range(2500):
        hyper = {"hidden_dim": 64 << number % 3, "dropout": 0.2 + number % 4 / 10, "lr": 0.1**3, "rank": number % 5}
        feature = f"chinese-some-quite-long-model-name-{number // 24}-large-UTT"
        rows.append(boards.row(number, 0.5 + generator.normal() / 50, (feature,) * 3, hyper=hyper))
    folder = boards.write(tmp_path / "x", rows)
    first = report(folder)
    assert len(first.records("t-runs")) == 2500
    assert len(first.source.encode()) < 3_000_000
    assert report(folder).source == first.source


def test_help_is_light(tmp_path):
    code = (
        "import sys\nfrom toolkit.report.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]" and "--output" in done.stdout


def test_the_command_names_an_empty_folder(tmp_path):
    command = [sys.executable, "-m", "toolkit.report", str(tmp_path), "--output", str(tmp_path / "r.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and str(tmp_path) in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "r.html").exists()
