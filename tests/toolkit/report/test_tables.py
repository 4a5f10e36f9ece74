"""Figures in the page's tables equal an independent computation from the rows."""

import statistics

import pytest

from toolkit.report.runs import collect
from toolkit.utils.errors import UserError


def near(text, value):
    assert text == f"{value:.4f}"


def test_figures_per_features_and_model(tmp_path, boards, report):
    weak, strong = [0.41, 0.47, 0.44], [0.61, 0.66, 0.63, 0.6]
    hyper = {"lr": 0.0001, "hidden_dim": 128}
    rows = [boards.row(n, f1, ("eGeMAPS_UTT",) * 3) for n, f1 in enumerate(weak)]
    rows += [
        boards.row(n, f1, ("chinese-hubert-large-UTT",) * 3, model="lf_dnn", hyper=hyper, seconds="100")
        for n, f1 in enumerate(strong)
    ]
    page = report(boards.write(tmp_path / "saved-unimodal", rows))
    first, second = page.records("t-features")
    assert first["features"] == "HUBERT-large" and second["features"] == "eGeMAPS"
    assert (first["model"], first["runs"], first["inputs"]) == ("lf_dnnutt", "4", "unimodal")
    for record, values in ((first, strong), (second, weak)):
        near(record["best f1"], max(values))
        near(record["mean f1"], statistics.fmean(values))
        near(record["std"], statistics.pstdev(values))
        near(record["\u00b1 folds"], 0.03)
        near(record["acc"], max(values) + 0.02)
    assert first["best hyper-parameters"] == "hidden_dim\u00a0128, lr\u00a00.0001"
    assert first["time"] == "6 min 40 s"
    assert [record["model"] for record in page.records("t-models")] == ["lf_dnn", "attention"]
    assert len(page.records("t-runs")) == 7


def test_models_pool_all_of_their_features(tmp_path, boards, report):
    rows = [boards.row(0, 0.5), boards.row(1, 0.7, ("b-UTT",) * 3), boards.row(2, 0.6, ("a-UTT", "b-UTT", "b-UTT"))]
    (record,) = report(boards.write(tmp_path / "x", rows)).records("t-models")
    assert (record["runs"], record["sets"], record["best features"]) == ("3", "3", "b")
    near(record["mean f1"], 0.6)
    near(record["std"], statistics.pstdev([0.5, 0.7, 0.6]))


def test_repeats_stay_out_of_the_search_and_get_their_own_mean(tmp_path, boards, report):
    rows = [boards.row(0, 0.60), boards.row(1, 0.70, hyper={"lr": 0.01})]
    rows += [boards.row(10 + n, f1, phase="repeat", hyper={"lr": 0.01}) for n, f1 in enumerate((0.62, 0.65, 0.95))]
    page = report(boards.write(tmp_path / "x", rows))
    (main,), (repeat,) = page.records("t-features"), page.records("t-repeats")
    assert main["runs"] == "2"
    near(main["best f1"], 0.70)
    assert repeat["repeats"] == "3"
    near(repeat["mean f1"], statistics.fmean((0.62, 0.65, 0.95)))
    near(repeat["std"], statistics.pstdev((0.62, 0.65, 0.95)))
    near(repeat["f1 in the search"], 0.70)


def test_failed_runs_are_listed_and_not_counted(tmp_path, boards, report):
    failed = boards.row(1, 0.99, status="failed", note="loss became NaN in fold 2", f1="", acc="", fold_f1=[])
    page = report(boards.write(tmp_path / "x", [boards.row(0, 0.5), failed]))
    (record,) = page.records("t-features")
    assert record["runs"] == "1" and record["best f1"] == "0.5000" and record["std"] == "\u2013"
    assert [row["reason"] for row in page.records("t-failed")] == ["loss became NaN in fold 2"]
    assert "2: 1 of the search, 0 repeats, 1 failed" in page.text


def test_only_failed_runs_still_give_a_page(tmp_path, boards, report):
    row = boards.row(0, 0.1, status="failed", f1="", acc="", fold_f1=[])
    page = report(boards.write(tmp_path / "x", [row]))
    assert page.records("t-features")[0]["best f1"] == "\u2013"
    assert page.records("t-failed")[0]["reason"] == "no reason recorded"


def test_different_settings_are_never_pooled(tmp_path, boards, report):
    rows = [boards.row(0, 0.5), boards.row(1, 0.7, args={"epochs": 100}), boards.row(2, 0.6)]
    records = report(boards.write(tmp_path / "x", rows)).records("t-features")
    assert [record["features"] for record in records] == ["a (epochs 100)", "a (epochs 3)"]
    assert [record["runs"] for record in records] == ["1", "2"]


def test_equal_experiments_are_pooled_however_they_were_written(tmp_path, boards, report):
    """Either separator, and boards from before the column "features"; feat_scale follows from the feature type."""
    utterance, frames = {"epochs": 3, "feat_scale": 1}, {"epochs": 3, "feat_scale": 6}
    rows = [
        boards.row(0, 0.5, ("a-UTT",) * 3, args=utterance),
        boards.row(1, 0.6, ("a_UTT",) * 3, args=utterance, features=["a_UTT"] * 3),
        boards.row(2, 0.4, ("a-FRA",) * 3, args=frames, feat_type="frm_align"),
    ]
    records = report(boards.write(tmp_path / "x", rows)).records("t-features")
    assert [(record["features"], record["model"], record["runs"]) for record in records] == [
        ("a", "attentionutt", "2"),
        ("a", "attentionfrm_align", "1"),
    ]


def test_a_run_recorded_twice_counts_once_and_success_beats_failure(tmp_path, boards):
    again = boards.row(0, 0.6)
    failed = boards.row(0, 0.0, status="failed")
    runs = collect([str(boards.write(tmp_path / "x", [boards.row(0, 0.5), again, failed]))])
    assert [run.f1 for run in runs] == [0.6]


def test_topn_inputs(tmp_path, boards, report):
    topn = {"fusion_topn": 2, "fusion_modality": "AT"}
    row = boards.row(0, 0.5, ("a-UTT+eGeMAPS_UTT", "c-UTT+d-UTT", "c-UTT+d-UTT"), model="attention_topn", args=topn)
    (record,) = report(boards.write(tmp_path / "x", [row])).records("t-features")
    assert record["features"] == "top-2 ATa + eGeMAPS + c + d"
    assert record["inputs"] == "4 features"


def test_the_best_of_an_emoval_corpus_counts_valence_too(tmp_path, boards, report, monkeypatch):
    import dataclasses

    from toolkit.dataloader import corpora

    joint = dataclasses.replace(corpora.CORPORA["MER2024"], name="JOINT", outputs=(6, 1), metric="emoval")
    monkeypatch.setitem(corpora.CORPORA, "JOINT", joint)
    rows = [boards.row(0, 0.60, dataset="JOINT", mse="2.0"), boards.row(1, 0.55, dataset="JOINT", mse="0.4")]
    page = report(boards.write(tmp_path / "x", rows))
    (record,) = page.records("t-features")
    assert (record["best f1"], record["mse"]) == ("0.5500", "0.4000")  # 0.55 - 0.1 beats 0.60 - 0.5
    assert "f1 \u2212 0.25 mse" in page.text


def test_without_labels_the_lowest_loss_is_the_best(tmp_path, boards, report, monkeypatch):
    import dataclasses

    from toolkit.dataloader import corpora

    unlabelled = dataclasses.replace(
        corpora.CORPORA["MER2024"], name="NONE", emotions=(), outputs=(0, 0), metric="loss"
    )
    monkeypatch.setitem(corpora.CORPORA, "NONE", unlabelled)
    none = {"dataset": "NONE", "acc": "", "fold_f1": []}
    rows = [boards.row(n, 0.5, **none) | {"f1": "", "loss": loss} for n, loss in enumerate(("2.5", "1.5", "2.0"))]
    page = report(boards.write(tmp_path / "x", rows))
    (record,) = page.records("t-features")
    assert (record["best f1"], record["loss"], record["runs"]) == ("\u2013", "1.5000", "3")
    assert "No run has an f1." in page.text and "lowest loss" in page.text


def test_the_features_column_names_the_inputs_of_topn(tmp_path, boards):
    args = {"fusion_topn": 1, "fusion_modality": "AT"}
    row = boards.row(0, 0.5, ("", "", ""), features=["a-UTT", "b-UTT"], args=args)
    (run,) = collect([str(boards.write(tmp_path / "x", [row]))])
    assert run.inputs == [("", "a-UTT"), ("", "b-UTT")]
    assert (run.label, run.feature_names) == ("top-1 AT", "a + b")


def test_a_merged_leaderboard_is_the_last_resort_and_finds_the_files(tmp_path, boards):
    runs = boards.write(tmp_path / "saved-unimodal", [boards.row(0, 0.5, files={"cv": "result/c.npz"})])
    merged = [row | {"folder": str(runs)} for row in [boards.row(0, 0.5, files={"cv": "result/c.npz"})]]
    for name in (".", "summary"):
        boards.write(tmp_path / name, merged)
        (tmp_path / name / "result").rmdir()
    assert [run.folder for run in collect([str(tmp_path)])] == [runs]
    assert [run.file("cv") for run in collect([str(tmp_path / "summary")])] == [runs / "result" / "c.npz"]


def test_places(tmp_path, boards):
    first = boards.write(tmp_path / "run-unimodal", [boards.row(0, 0.5)])
    second = boards.write(tmp_path / "run-trimodal", [boards.row(1, 0.6)])
    boards.write(tmp_path / "running", [boards.row(2, 0.7)])
    found = [[run.f1 for run in collect([str(place)])] for place in (first, tmp_path, tmp_path / "run")]
    assert found == [[0.5], [0.6, 0.5, 0.7], [0.6, 0.5]]
    assert len(collect([str(first), str(tmp_path / "run"), str(second)])) == 2


@pytest.mark.parametrize("place", ["empty", "nowhere"])
def test_a_place_without_runs_is_named(tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{place}: no leaderboard.csv"):
        collect([str(tmp_path / place)])


def test_a_leaderboard_without_rows_or_with_bytes_is_an_error(tmp_path, boards):
    with pytest.raises(UserError, match="no finished run"):
        collect([str(boards.write(tmp_path / "x", []))])
    (tmp_path / "x" / "leaderboard.csv").write_bytes(b"f1,files\n\xff\xfe,{}\n")
    with pytest.raises(UserError, match="leaderboard.csv is damaged"):
        collect([str(tmp_path / "x")])
