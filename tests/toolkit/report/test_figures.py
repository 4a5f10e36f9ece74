"""What the page draws from cv files, by hand-worked cases; missing files are said, never fatal."""

import re

import numpy as np
import pytest

from toolkit.report import charts, cvfile
from toolkit.report.runs import Run

LOGITS = np.eye(6, dtype=np.float32)


def emotion_arrays(true, predicted):
    return {"emo_labels": np.array(true), "emo_probs": LOGITS[predicted]}


def test_confusion_counts_and_shares(tmp_path, boards, report):
    folder = tmp_path / "x"
    boards.write(folder, [])
    arrays = emotion_arrays([0, 0, 0, 1, 2], [0, 0, 1, 1, 0])
    arrays["emo_probs"][4] = np.nan  # a sample in no validation fold
    boards.write(folder, [boards.row(0, 0.5, files=boards.cv(folder, **arrays))])
    page = report(folder)
    table = page.tables["confusion"]
    assert table[0] == ["true \\ predicted", "neutral", "angry", "happy", "sad", "worried", "surprise", "all"]
    assert table[1] == ["neutral", "266.7%", "133.3%", "00.0%", "00.0%", "00.0%", "00.0%", "3"]
    assert table[2][:3] == ["angry", "00.0%", "1100.0%"]
    assert table[3][1:] == ["0\u2013"] * 6 + ["0"]
    assert table[-1][:4] == ["precision", "100.0%", "50.0%", "\u2013"]
    # F1: neutral 2*1*(2/3)/(5/3) = 0.8 of 3 samples, angry 2/3 of 1
    assert f"4 predictions pooled: weighted F1 {(0.8 * 3 + 2 / 3) / 4:.4f}, accuracy 0.7500" in page.text


def test_a_corpus_with_valence_only(tmp_path, boards, report):
    folder = tmp_path / "x"
    boards.write(folder, [])
    cell = boards.cv(
        folder,
        emo_labels=np.zeros(5, dtype=np.int64),
        emo_probs=np.zeros((5, 0), dtype=np.float32),
        val_labels=np.array([1.0, 2.0, -1.0, 0.0, -3.0]),
        val_preds=np.array([[0.5], [-0.5], [-2.0], [1.0], [0.1]]),
        modality_weights=np.array([[1.0, 0, 0], [3, 0, 0], [5, 0, 0], [7, 0, 0], [9, 0, 0]], dtype=np.float32),
    )
    row = boards.row(0, 0.5, ("a-UTT", "b-UTT", "c-UTT"), dataset="CMUMOSI", mse="0.9", files=cell)
    page = report(boards.write(folder, [row]))
    assert page.records("t-features")[0]["mse"] == "0.9000"
    assert [line[1:] for line in page.tables["confusion"][1:3]] == [["150.0%", "150.0%", "2"]] * 2
    assert page.tables["weights"][0] == ["true", "audio: a", "text: b", "video: c", "samples"]
    assert [line[1] for line in page.tables["weights"][1:]] == ["7.000", "7.000", "2.000", "5.000"]


def test_modality_weights_are_means_per_true_emotion_of_the_best_fused_attention_run(tmp_path, boards, report):
    folder = tmp_path / "x"
    boards.write(folder, [])
    weights = np.array([[1, 2, -3], [3, 4, -5], [0, 0, 10]], dtype=np.float32)
    cell = boards.cv(folder, **emotion_arrays([0, 0, 5], [0, 0, 0]), modality_weights=weights)
    rows = [
        boards.row(0, 0.9),  # unimodal: better, but all its inputs are the same
        boards.row(1, 0.8, ("a-UTT", "b-UTT", "c-UTT"), model="lf_dnn"),
        boards.row(2, 0.7, ("a-UTT", "b-UTT", "eGeMAPS_UTT"), files=cell),
    ]
    table = report(boards.write(folder, rows)).tables["weights"]
    assert table[0] == ["true", "audio: a", "text: b", "video: eGeMAPS", "samples"]
    assert table[1] == ["neutral", "2.000", "3.000", "-4.000", "2"]
    assert table[2] == ["angry", "\u2013", "\u2013", "\u2013", "0"]
    assert table[6] == ["surprise", "0.000", "0.000", "10.000", "1"]
    assert table[7] == ["all", "1.333", "2.000", "0.667", "3"]


def test_mean_band_skips_what_is_not_there():
    mean, spread = cvfile.mean_band(np.array([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan]]))
    np.testing.assert_array_equal(mean, [2.0, 2.0, np.nan])
    np.testing.assert_array_equal(spread, [1.0, 0.0, np.nan])


def test_learning_curves_go_through_the_means(tmp_path, boards, report):
    folder = tmp_path / "x"
    boards.write(folder, [])
    f1 = np.array([[0.1, 0.5, 0.3], [0.3, 0.5, 0.3]], dtype=np.float32)  # means 0.2, 0.5, 0.3
    cell = boards.cv(folder, curve_f1=f1, curve_train_loss=np.full((2, 3), np.nan), best_epochs=np.array([2, 2]))
    source = report(boards.write(folder, [boards.row(0, 0.5, files=cell)])).source
    (line,) = re.findall(r'class="line c1" d="M([^"]+)"', source)
    points = np.array([[float(value) for value in point.split()] for point in line.split("L")])
    heights = (points[:, 1] - points[1, 1]) / (points[0, 1] - points[1, 1])  # 0 at the top, 1 at the bottom
    np.testing.assert_allclose(heights, [1, 0, 2 / 3], atol=1e-3)
    np.testing.assert_allclose(np.diff(points[:, 0]), np.diff(points[:, 0])[0])
    assert "The cv file has no training loss per epoch." in source


@pytest.mark.parametrize("damage", ["missing", "torn", "not a file", "pickle", "other arrays", "no name"])
def test_a_cv_file_that_cannot_be_used_is_said(tmp_path, boards, report, damage):
    folder = tmp_path / "x"
    boards.write(folder, [])
    cell = boards.cv(folder, **emotion_arrays([0, 1], [0, 1]))
    path = folder / cell["cv"]
    reason = {
        "missing": "cv.npz is not there any more",
        "torn": "cv.npz cannot be read",
        "not a file": "cv.npz cannot be read",
        "pickle": "cv.npz cannot be read",
        "other arrays": "cv.npz has no emo_labels, emo_probs",
        "no name": "the leaderboard names no cv file",
    }[damage]
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "pickle":
        boards.cv(folder, emo_labels=np.array([{}, 1], dtype=object), emo_probs=LOGITS[:2])
    elif damage == "other arrays":
        boards.cv(folder, other=np.zeros(3))
    elif damage in ("missing", "not a file"):
        path.unlink()
        if damage == "not a file":
            path.mkdir()
    page = report(boards.write(folder, [boards.row(0, 0.5, files={} if damage == "no name" else cell)]))
    assert f"No confusion matrix: {reason}" in page.text
    assert page.text.count("No curves: ") == 1 and page.text.count("No weights: ") == 1
    assert page.records("t-features")[0]["best f1"] == "0.5000"


def test_the_pickled_args_are_never_opened(tmp_path, boards):
    folder = tmp_path / "x"
    boards.write(folder, [])
    run = Run(folder, boards.row(0, 0.5, files=boards.cv(folder, **emotion_arrays([0], [0]))))
    with pytest.raises(cvfile.Unreadable, match="Object arrays cannot be loaded"):
        cvfile.read_arrays(run, ("args",))


def test_hyper_parameters_are_shown_against_the_features_own_mean(tmp_path, boards, report):
    rows = []
    for feature, base in (("a-UTT", 0.3), ("b-UTT", 0.7)):
        for number, (lr, plus) in enumerate([(0.1, 0.02), (0.01, -0.02)]):
            rows.append(boards.row(number, base + plus, (feature,) * 3, hyper={"lr": lr, "fixed": 1}))
    page = report(boards.write(tmp_path / "x", rows))
    assert "0.1: median 0.0200, middle half 0.0200 to 0.0200, n=2" in page.text
    assert "0.01: median -0.0200" in page.text
    assert "0.1: median 0.5200, middle half 0.4200 to 0.6200, n=2" in page.text  # plain f1: 0.32 and 0.72
    hyper = page.source[page.source.index('id="hyper"') : page.source.index('id="curves"')]
    assert ">fixed<" not in hyper


def test_many_values_are_cut_into_five_parts(tmp_path, boards, report):
    rows = [boards.row(n, 0.5 + n / 100, hyper={"dropout": n / 20}) for n in range(20)]
    page = report(boards.write(tmp_path / "x", rows))
    assert page.text.count("n=4") == 10  # five titles and five labels
    assert "0\u20260.15: median 0.5150" in page.text


def test_bar_and_whisker_lengths():
    drawn = charts.bar(0.4, 0.1, 0.8, "c1")
    assert 'width="50%"' in drawn and 'x1="37.5%" x2="62.5%"' in drawn
    assert "whisker" not in charts.bar(0.4, float("nan"), 0.8, "c1")


@pytest.mark.parametrize("last", [1, 2, 5, 7, 60, 61, 100, 999])
def test_epoch_labels_are_few_and_inside(last):
    epochs = charts._epochs(max(2, last))
    assert epochs[0] == 1 and len(epochs) <= 7 and epochs == sorted(set(epochs)) and epochs[-1] <= max(2, last)
