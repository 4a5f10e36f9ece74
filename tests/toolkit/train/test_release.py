"""main-release.py as users run it: results files, determinism, resume, kills, and an error for every bad input."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit.data.features import read_feature
from toolkit.data.labels import read_labels, write_labels
from toolkit.globals import EMOS_MER, corpus_paths
from toolkit.models import MODELS
from toolkit.train import leaderboard, saved_model
from toolkit.train.arguments import parse
from toolkit.train.run import train
from toolkit.train.summary import best_of_each, collect, confusion, summarise
from toolkit.utils.errors import UserError
from toolkit.utils.metric import emotion_scores

REPOSITORY = Path(__file__).resolve().parents[3]


def _run(arguments):
    return train(parse(arguments, None))


def _single(folder, pattern):
    found = list(folder.glob(pattern))
    assert len(found) == 1, found
    return found[0]


def _outputs(save_root, kind="trimodal"):
    folder = Path(f"{save_root}-{kind}")
    with np.load(_single(folder, "result/cv_*.npz")) as cv, np.load(_single(folder, "result/test1_*.npz")) as test:
        return {**{f"cv {key}": cv[key] for key in cv.files if key != "args"}, "test": test["emo_probs"]}


def test_a_run_writes_what_the_spec_says(release_args, tmp_path, tiny_root):
    assert _run(release_args()) == 0
    folder = tmp_path / "saved-trimodal"
    labels = read_labels(corpus_paths("MER2024", tiny_root).label)
    row = leaderboard.read(folder)[0]
    files = {name: folder / path for name, path in json.loads(row["files"]).items()}

    name = "features:aud-UTT+txt-UTT+vis-UTT_dataset:MER2024_model:attention+utt+None"
    assert files["cv"].name.startswith(f"cv_{name}_f1:{float(row['f1']):.4f}_acc:{float(row['acc']):.4f}_")
    assert files["test1"].name.startswith(f"test1_{name}_") and "f1:" not in files["test1"].name
    with np.load(files["cv"]) as cv:
        assert cv["names"].tolist() == list(labels["train_corpus"])
        assert [EMOS_MER[emo] for emo in cv["emo_labels"]] == [v["emo"] for v in labels["train_corpus"].values()]
        assert cv["emo_probs"].shape == (40, 6) and np.isfinite(cv["emo_probs"]).all()
        np.testing.assert_allclose(cv["emo_softmax"].sum(axis=1), 1, rtol=1e-6)
        per_fold = [
            emotion_scores(cv["emo_probs"][cv["folds"] == fold], cv["emo_labels"][cv["folds"] == fold])["f1"]
            for fold in range(5)
        ]
    assert per_fold == pytest.approx(json.loads(row["fold_f1"]), abs=1e-6)
    assert float(row["f1"]) == pytest.approx(np.mean(per_fold), abs=1e-6)
    with np.load(files["test1"]) as test:
        assert test["names"].tolist() == list(labels["test1_corpus"])
        assert "emo_labels" not in test.files  # placeholders are not passed on as labels
        logits = test["emo_probs"]
    with open(files["test1 submission"], encoding="utf-8") as file:
        submission = list(csv.reader(file))
    assert submission[0] == ["name", "discrete"]
    expected = zip(labels["test1_corpus"], logits.argmax(1), strict=True)
    assert submission[1:] == [[sample, EMOS_MER[best]] for sample, best in expected]


def test_saved_args_are_a_namespace_with_seed_and_hyper_parameters(release_args, tmp_path):
    _run(release_args())
    args = np.load(_single(tmp_path / "saved-trimodal", "result/test1_*.npz"), allow_pickle=True)["args"].item()
    assert type(args).__name__ == "Namespace"
    assert args.seed == 7 and args.hidden_dim in (64, 128, 256) and args.lr in (1e-3, 1e-4)
    assert (args.audio_dim, args.text_dim, args.video_dim) == (5, 6, 7)


def test_no_score_is_shown_for_hidden_labels(release_args, capsys):
    _run(release_args())
    out = capsys.readouterr().out
    assert "test1: the labels are hidden, so there is no score" in out


@pytest.mark.parametrize(
    ("features", "kind"),
    [(("aud", "aud", "aud"), "unimodal"), (("aud", "txt", "aud"), "bimodal"), (("aud", "txt", "vis"), "trimodal")],
)
def test_the_folder_counts_distinct_features(release_args, tmp_path, features, kind):
    names = dict(zip(("audio_feature", "text_feature", "video_feature"), (f"{f}-UTT" for f in features), strict=True))
    _run(release_args(epochs=1, **names))
    assert (tmp_path / f"saved-{kind}" / "leaderboard.csv").exists()


@pytest.mark.parametrize("feat_type", ["utt", "frm_align", "frm_unalign"])
def test_same_seed_same_result_with_any_number_of_workers(release_args, tmp_path, feat_type):
    suffix = "UTT" if feat_type == "utt" else "FRA"
    names = {
        f"{flag}_feature": f"{stem}-{suffix}"
        for flag, stem in zip(("audio", "text", "video"), ("aud", "txt", "vis"), strict=True)
    }
    outputs = []
    for number, workers in enumerate((0, 1, 2)):
        root = tmp_path / f"run{number}"
        _run(release_args(feat_type=feat_type, num_workers=workers, save_root=root, epochs=2, **names))
        outputs.append(_outputs(root))
    for other in outputs[1:]:
        assert outputs[0].keys() == other.keys()
        assert all(
            np.array_equal(outputs[0][key], other[key], equal_nan=outputs[0][key].dtype.kind == "f") for key in other
        )


def test_another_seed_gives_another_result(release_args, tmp_path):
    _run(release_args(save_root=tmp_path / "a"))
    _run(release_args(save_root=tmp_path / "b", seed=8))
    assert not np.array_equal(_outputs(tmp_path / "a")["test"], _outputs(tmp_path / "b")["test"])


def test_trials_equal_single_runs_with_the_following_seeds(release_args, tmp_path):
    _run(release_args(save_root=tmp_path / "together", trials=2, seed=20))
    _run(release_args(save_root=tmp_path / "alone", seed=21))
    together = {row["seed"]: row for row in leaderboard.read(tmp_path / "together-trimodal")}
    alone = leaderboard.read(tmp_path / "alone-trimodal")[0]
    assert set(together) == {"20", "21"}
    for column in ("hyper", "fold_f1", "best_epochs", "f1"):
        assert together["21"][column] == alone[column]


def test_a_flag_wins_over_the_draw_and_hyper_path_fixes(release_args, tmp_path):
    (tmp_path / "h.yaml").write_text("hidden_dim: 64\ndropout: 0.0\n")
    _run(release_args(lr=0.005, hyper_path=tmp_path / "h.yaml", epochs=1))
    hyper = json.loads(leaderboard.read(tmp_path / "saved-trimodal")[0]["hyper"])
    assert hyper == {"hidden_dim": 64, "dropout": 0.0, "grad_clip": -1.0, "lr": 0.005}


def test_resume_skips_what_the_leaderboard_has(release_args, tmp_path, capsys):
    _run(release_args(trials=2))
    _run(release_args(trials=3, resume=True))
    seeds = [row["seed"] for row in leaderboard.read(tmp_path / "saved-trimodal")]
    assert seeds == ["7", "8", "9"]
    capsys.readouterr()
    _run(release_args(trials=3, resume=True))
    assert "3 of 3 runs are already in" in capsys.readouterr().out
    _run(release_args(trials=1, resume=True, epochs=4))  # other arguments: another run
    assert len(leaderboard.read(tmp_path / "saved-trimodal")) == 4


def _test_batch(root, features):
    paths = corpus_paths("MER2024", root)
    names = list(read_labels(paths.label)["test1_corpus"])
    return {
        key: torch.from_numpy(np.concatenate([read_feature(paths.features / feature, name) for name in names]))
        for key, feature in zip(("audios", "texts", "videos"), features, strict=True)
    }


def test_the_best_run_is_saved_and_reproduces_its_test_logits(release_args, tmp_path, tiny_root):
    _run(release_args(savemodel=True, trials=3))
    folder = tmp_path / "saved-trimodal"
    saved = saved_model.load(_single(folder / "model", "features*"))
    rows = leaderboard.read_ok(folder)
    best = max(rows, key=lambda row: (float(row["f1"]), -int(row["trial"])))
    assert saved.description["args"]["seed"] == int(best["seed"])
    logits = saved.logits(_test_batch(tiny_root, saved.description["features"]))
    with np.load(folder / json.loads(best["files"])["test1"]) as test:
        np.testing.assert_allclose(logits, test["emo_probs"], rtol=1e-4, atol=1e-5)


def test_loading_refuses_what_does_not_fit(release_args, tmp_path, tiny_root):
    _run(release_args(savemodel=True, epochs=1))
    folder = _single(tmp_path / "saved-trimodal" / "model", "features*")
    saved = saved_model.load(folder)
    batch = _test_batch(tiny_root, saved.description["features"])
    with pytest.raises(UserError, match="texts has width 5, the model was trained on 6"):
        saved.logits(batch | {"texts": batch["audios"]})
    with pytest.raises(UserError, match="needs the input texts; given: audios, videos"):
        saved.logits({key: value for key, value in batch.items() if key != "texts"})
    with pytest.raises(UserError, match="is no saved model"):
        saved_model.load(tmp_path)
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(description | {"feat_dims": [5, 9, 7]}))
    with pytest.raises(UserError, match=r"fold1.safetensors: these weights do not fit model.json.*text_encoder"):
        saved_model.load(folder)
    (folder / "model.json").write_text(json.dumps(description | {"format": 99}))
    with pytest.raises(UserError, match="format 99, this toolkit reads 1"):
        saved_model.load(folder)
    (folder / "model.json").write_text("{half")
    with pytest.raises(UserError, match="damaged"):
        saved_model.load(folder)


def test_debug_uses_the_first_hundred_samples(release_args, tmp_path, monkeypatch):
    monkeypatch.setattr("toolkit.train.inputs.DEBUG_SAMPLES", 12)
    _run(release_args(debug=True, epochs=1))
    assert len(_outputs(tmp_path / "saved")["cv names"]) == 12


# ---------------------------------------------------------------- bad input: a clear message, nothing half-written


@pytest.fixture
def own_root(tiny_root, tmp_path):
    """A copy of the tiny corpus to damage."""
    shutil.copytree(tiny_root, tmp_path / "copy")
    return tmp_path / "copy"


def _fails(release_args, root, message, **changes):
    with pytest.raises(UserError, match=message):
        _run(release_args(data_root=root, **changes))


def test_a_missing_feature_folder_lists_the_existing(release_args, tiny_root, tmp_path):
    _fails(
        release_args,
        tiny_root,
        r"no feature folder .*none-UTT; folders there: aud-FRA, aud-UTT",
        audio_feature="none-UTT",
    )
    assert leaderboard.read(tmp_path / "saved-trimodal") == []


def test_a_sample_without_features(release_args, own_root):
    (corpus_paths("MER2024", own_root).features / "txt-UTT" / "sample_00000003.npy").unlink()
    _fails(release_args, own_root, "sample 'sample_00000003' has no feature: neither .*txt-UTT")


@pytest.mark.parametrize(
    ("array", "message"),
    [(np.zeros((0, 6)), "empty"), (np.full(6, np.nan), "NaN"), (np.zeros(9), "width 9, but .* have 6")],
)
def test_a_bad_feature_names_the_file(release_args, own_root, array, message):
    np.save(corpus_paths("MER2024", own_root).features / "txt-UTT" / "sample_00000045.npy", array.astype(np.float32))
    _fails(release_args, own_root, rf"txt-UTT.sample_00000045\.npy: .*{message}")


def test_a_corrupt_npy(release_args, own_root):
    (corpus_paths("MER2024", own_root).features / "vis-UTT" / "sample_00000001.npy").write_bytes(b"\x93NUMPY garbage")
    _fails(release_args, own_root, r"vis-UTT.sample_00000001\.npy: not a readable \.npy array")


def test_an_unknown_emotion(release_args, own_root):
    path = corpus_paths("MER2024", own_root).label
    labels = read_labels(path)
    labels["train_corpus"]["sample_00000002"]["emo"] = "hapy"
    write_labels(path, labels)
    _fails(release_args, own_root, "label-6way.npz, train_corpus: 'sample_00000002' has the unknown emotion 'hapy'")


def test_a_label_file_without_the_training_key(release_args, own_root):
    write_labels(corpus_paths("MER2024", own_root).label, {"whole_corpus": {}})
    _fails(release_args, own_root, "no train_corpus, test1_corpus in it; it has whole_corpus")


def test_fewer_samples_than_folds(release_args, own_root):
    path = corpus_paths("MER2024", own_root).label
    labels = read_labels(path)
    write_labels(path, labels | {"train_corpus": dict(list(labels["train_corpus"].items())[:3])})
    _fails(release_args, own_root, "3 labelled samples cannot be cut into 5 folds")


def test_an_unwritable_output_folder(release_args, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written .*; choose another --save_root"):
        _run(release_args(save_root=tmp_path / "file" / "saved"))


def test_a_gpu_that_does_not_exist(release_args, capsys):
    index = torch.cuda.device_count() + 3
    _run(release_args(gpu=index, epochs=1))
    assert f"warning: --gpu {index} does not exist" in capsys.readouterr().err
    with pytest.raises(UserError, match=f"--gpu {index} does not exist"):
        _run(release_args(gpu=index, strict_gpu=True))


def _command(arguments):
    return [sys.executable, str(REPOSITORY / "main-release.py"), *arguments]


def test_user_errors_are_one_line_and_status_2(release_args):
    done = subprocess.run(_command(release_args(model="x")), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: --model x: unknown; known models: " + ", ".join(MODELS) + "\n"


def test_help_needs_no_torch(release_args):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['main-release.py', '--help']\n"
        f"try: runpy.run_path({str(REPOSITORY / 'main-release.py')!r}, run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--fusion_topn" in done.stdout


def test_killed_at_any_moment_then_completed(release_args, tmp_path):
    """SIGKILL inside a trial, twice: never an unreadable result; --resume ends with the table of one whole run."""
    arguments = release_args(trials=4, epochs=20, resume=True)
    folder = tmp_path / "saved-trimodal"
    for _ in range(2):
        before = len(leaderboard.read(folder))
        process = subprocess.Popen(_command(arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(leaderboard.read(folder)) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in folder.glob("result/*.npz"):
            np.load(path)["emo_probs"]
    _run(arguments)
    assert not [name for name in os.listdir(folder / "result") if name.endswith(".part")]
    _run(release_args(trials=4, epochs=20, save_root=tmp_path / "whole"))
    killed, whole = ({row["seed"]: row for row in leaderboard.read(f)} for f in (folder, tmp_path / "whole-trimodal"))
    assert killed.keys() == whole.keys() and len(whole) == 4
    for seed, row in whole.items():
        assert all(killed[seed][column] == row[column] for column in ("fold_f1", "fold_acc", "best_epochs", "hyper"))


# ---------------------------------------------------------------- the summary


def test_summary_picks_the_best_run_and_counts_confusions(release_args, tmp_path):
    _run(release_args(trials=2))
    _run(release_args(audio_feature="aud-UTT", text_feature="aud-UTT", video_feature="aud-UTT"))
    written = summarise(str(tmp_path / "saved"), tmp_path / "out")
    rows = collect(str(tmp_path / "saved"))
    assert [float(row["f1"]) for row in rows] == sorted((float(row["f1"]) for row in rows), reverse=True)
    assert sorted(row["trials"] for row in best_of_each(rows)) == [1, 2]
    best = json.loads(rows[0]["files"])
    assert written["submission"].read_bytes() == (rows[0]["folder"] / best["test1 submission"]).read_bytes()
    counts, scores = confusion(rows[0]["folder"] / best["cv"], 6)
    assert counts.sum() == 40 and np.trace(counts) / 40 == pytest.approx(scores["acc"])
    assert written["confusion matrix"].read_bytes().startswith(b"\x89PNG")


def test_summary_without_runs(tmp_path):
    with pytest.raises(UserError, match="no leaderboard below"):
        collect(str(tmp_path / "saved"))
