"""The published wheels' format: hand-made files with hand-worked scores; the real files when they are there."""

import json

import pytest
from openpyxl import Workbook

from toolkit.openset.samples import join, read_samples
from toolkit.openset.wheel import LEVELS, WHEELS, load_wheels, mean_of_wheels, score_clusters, score_wheel
from toolkit.openset.wheel_report import run_published
from toolkit.utils.errors import UserError


def _xlsx(path, rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


@pytest.fixture
def wheel_root(tmp_path):
    """Forms of glad, cross, wan; glad reaches joy, cross reaches anger and hate; wheel5 knows joy only."""
    root = tmp_path / "wheels"
    root.mkdir()
    (root / "format.csv").write_text(
        'name,format\nglad,"Glad, gladly,gladness"\ncross,"crossly,cross,gladly"\nwan,wanly\njoy,\n', encoding="utf-8"
    )
    runs = ("word_run1", "synonym_run1", "word_run2", "synonym_run2")
    _xlsx(root / "synonym.xlsx", [runs, ("Joy", "glad, elated", "joy", None), ("Anger", "mad", "Hate", "Cross, mad")])
    whole = [
        ("level1", "level2", "level3"),
        (" Good ", "Joy", "Elated"),
        (None, None, "Glad"),
        (None, "Calm", "Rest"),
        ("Bad", "Anger", "Hate"),
        (None, "Aloof", "Bored"),
    ]
    for wheel in WHEELS:
        _xlsx(root / f"{wheel}.xlsx", whole[:3] if wheel == "wheel5" else whole)
    return root


def test_the_chain_from_form_to_cluster(wheel_root):
    wheels = load_wheels(wheel_root)
    assert wheels.words["gladly"] == ("cross", "glad")
    assert wheels.wheel_labels["mad"] == ("anger", "hate") and wheels.wheel_labels["elated"] == ("joy",)
    assert [wheels.cluster(label, "wheel1", 1) for label in ("glad", "gladness", "cross", "wan", "new")] == [
        "good",
        "good",
        "bad",
        None,
        None,
    ]
    assert wheels.cluster("gladly", "wheel1", 2) == "anger"  # hate (level 3) comes before joy in the alphabet
    assert wheels.cluster("gladly", "wheel5", 1) == "good"  # wheel5 does not have hate
    assert (wheels.first_word("gladly"), wheels.first_wheel_label("gladly")) == ("cross", "hate")
    assert (wheels.first_word("wan"), wheels.first_wheel_label("wan")) == ("wan", None)


def test_levels_blank_cells_and_the_level_2_of_level_1_labels(wheel_root):
    levels = load_wheels(wheel_root).wheels["wheel1"]
    assert levels[1] == {
        **dict.fromkeys(("good", "joy", "elated", "glad", "calm", "rest"), "good"),
        **dict.fromkeys(("bad", "anger", "hate", "aloof", "bored"), "bad"),
    }
    assert levels[2] == {
        **dict.fromkeys(("joy", "elated", "glad"), "joy"),
        **dict.fromkeys(("calm", "rest", "good"), "calm"),
        **dict.fromkeys(("anger", "hate"), "anger"),
        **dict.fromkeys(("aloof", "bored", "bad"), "aloof"),
    }


def test_a_hand_worked_score(wheel_root):
    samples = join(
        {"a": ("glad", "cross", "new"), "b": ("new", "wan"), "c": ("gladness",), "d": ("cross",)},
        {"a": ("gladness", "new"), "b": ("glad",), "c": ("cross", "glad", "joy"), "d": ("new",)},
    )
    wheels = load_wheels(wheel_root)
    first = score_wheel(samples, wheels, "wheel1", 1)
    # a: truth good, bad against good: 1, 1/2. b: no true label is known. c: good against bad, good: 1/2, 1. d: 0, 0.
    assert [score.name for score in first.samples] == ["a", "c", "d"]
    assert (first.precision, first.recall) == (pytest.approx(1.5 / 3), pytest.approx(1.5 / 3))
    assert first.f == pytest.approx(0.5)
    fifth = score_wheel(samples, wheels, "wheel5", 1)  # a: good against good; c: good against good; d: not counted
    assert (fifth.precision, fifth.recall, fifth.f, len(fifth.samples)) == (1, 1, 1, 2)
    whole = mean_of_wheels([score_wheel(samples, wheels, wheel, 1) for wheel in WHEELS])
    assert (whole.precision, whole.recall, whole.f) == tuple([pytest.approx((4 * 0.5 + 1) / 5)] * 3)
    assert score_clusters(samples, lambda label: None).f == 0.0


def test_printed_figures_and_files(wheel_root, tmp_path, capsys):
    samples = join({"a": ("glad", "cross"), "b": ("new",)}, {"a": ("gladness", "odd")})
    assert run_published(samples, wheel_root, tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "coverage: 3 of 5 labels are known (60.0%)" in out
    assert "dropped: new, odd" in out
    assert "set level accuracy: 1.0; recall: 0.6\navg score: 0.8\n" in out  # recall 1/2 on four wheels, 1 on the fifth
    assert "level1: precision 1.0; recall 0.6;" in out
    rows = (tmp_path / "out" / "samples.csv").read_text(encoding="utf-8").splitlines()
    assert "scored by 5 of 5 wheels" in rows[1] and "scored by 0 of 5 wheels" in rows[2]


def test_the_table_of_intervals(wheel_root, capsys):
    samples = join({"a": ("glad", "cross"), "b": ("cross",)}, {"a": ("gladness", "odd"), "b": ("glad",)})
    assert run_published(samples, wheel_root, None, table=True) == 0
    table = capsys.readouterr().out.split("each sample by its mean over the wheels")[1].splitlines()
    assert table[2].split()[:2] == ["accuracy", "0.5000"] and table[2].split()[2] == "0.0000..1.0000"


def test_missing_and_damaged_files(wheel_root, tmp_path):
    with pytest.raises(UserError, match="--wheel_root .*none: no such folder"):
        load_wheels(tmp_path / "none")
    _xlsx(wheel_root / "wheel3.xlsx", [("level1", "level2"), ("a", "b")])
    with pytest.raises(UserError, match=r"wheel3\.xlsx: column level3 is missing; columns there: level1, level2"):
        load_wheels(wheel_root)
    (wheel_root / "wheel2.xlsx").write_bytes(b"html page instead")
    with pytest.raises(UserError, match=r"wheel2\.xlsx: not a readable xlsx"):
        load_wheels(wheel_root)
    (wheel_root / "synonym.xlsx").unlink()
    with pytest.raises(UserError, match=r"synonym\.xlsx does not exist"):
        load_wheels(wheel_root)


def test_every_published_figure(reference):
    folder = reference / "ov_store"
    samples = read_samples(folder / "check-openset.csv", folder / "predict-openset.csv")
    wheels = load_wheels(reference / "emotion_wheel")
    found = {"case1": score_clusters(samples, wheels.first_word)}
    found["case2"] = score_clusters(samples, wheels.first_wheel_label)
    for level in LEVELS:
        scores = {f"{wheel}_level{level}": score_wheel(samples, wheels, wheel, level) for wheel in WHEELS}
        found |= scores | {f"level{level}": mean_of_wheels(list(scores.values()))}
    published = json.loads((reference / "emotion_wheel" / "wheel_scores.json").read_text())
    assert set(published) == set(found)
    for name, figures in published.items():
        for key, value in figures.items():
            assert getattr(found[name], key) == pytest.approx(value, abs=1e-12), (name, key)
