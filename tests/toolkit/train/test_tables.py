"""python -m toolkit.train.tables: the same runs as main-release, resumable; tables that the leaderboard bears out."""

import contextlib
import csv
import io
import json
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from toolkit.data.labels import write_labels
from toolkit.dataloader.topn import Ranks, read_ranks, topn_features
from toolkit.globals import EMOS_MER, corpus_paths
from toolkit.train import leaderboard, tables
from toolkit.train.arguments import parse
from toolkit.train.run import train
from toolkit.utils.errors import UserError

TRAIN, TEST = 100, 20
# feature folder -> (modality, width, noise): how hard it is to tell the emotions apart
FEATURES = {
    "chinese-hubert-large-UTT": ("A", 8, 0.4),
    "eGeMAPS_UTT": ("A", 6, 1.2),
    "whisper-tiny.en-UTT": ("A", 5, 2.0),
    "chinese-macbert-large-UTT": ("T", 7, 0.7),
    "my net $1-UTT": ("T", 4, 1.5),
    "clip-vit-large-patch14-UTT": ("V", 9, 0.6),
    "emonet_UTT": ("V", 3, 2.5),
}
TOLD = ["--modality", "my net $1=text"]
COMBINATIONS = ["--topn", "1", "2", "3", "--modalities", "AVT", "AT"]
SAME = ("run_id", "phase", "trial", "seed", "f1", "acc", "fold_f1", "fold_acc", "best_epochs", "hyper", "features")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A data root: 100 training and 20 test samples, 7 features; and a yaml that keeps the networks tiny."""
    root = tmp_path_factory.mktemp("tables")
    paths = corpus_paths("MER2024", root)
    generator = np.random.default_rng(0)
    names = [f"sample_{number:08d}" for number in range(TRAIN + TEST)]
    emotions = generator.integers(6, size=len(names))
    for feature, (_, width, noise) in FEATURES.items():
        centres = generator.normal(size=(6, width))
        folder = paths.features / feature
        folder.mkdir(parents=True)
        for name, emotion in zip(names, emotions, strict=True):
            np.save(folder / f"{name}.npy", (centres[emotion] + noise * generator.normal(size=width)).astype("f4"))
    labels = {name: {"emo": EMOS_MER[emotion], "val": -10} for name, emotion in zip(names, emotions, strict=True)}
    test = {name: {"emo": "neutral", "val": -10} for name in names[TRAIN:]}
    write_labels(paths.label, {"train_corpus": {name: labels[name] for name in names[:TRAIN]}, "test1_corpus": test})
    (root / "small.yaml").write_text("hidden_dim: 8\nlr: [0.01, 0.003]\n")
    return root


def _flags(root, save_root, trials=2):
    values = {"dataset": "MER2024", "data_root": root, "save_root": save_root, "trials": trials, "repeat_best": 2}
    values |= {"seed": 5, "gpu": -1, "epochs": 3, "batch_size": 80, "hyper_path": root / "small.yaml"}
    return [f"--{flag}={value}" for flag, value in values.items()]


def _table(step, *arguments):
    """Run the command; (exit status, what it printed)."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        status = tables.main([step, *arguments])
    return status, shown.getvalue()


def _no_training(monkeypatch):
    def refuse(args):
        raise AssertionError(f"trained {args.audio_feature or args.fusion_topn}")

    monkeypatch.setattr("toolkit.train.table_search.train", refuse)


@pytest.fixture(scope="module")
def done(corpus, tmp_path_factory):
    """Save root and printed text of one run of both commands."""
    save_root = tmp_path_factory.mktemp("done") / "saved"
    flags = _flags(corpus, save_root)
    status, unimodal = _table("unimodal", *flags, *TOLD, "--no_report")
    assert status == 0
    status, fusion = _table("fusion", *flags, *COMBINATIONS)
    assert status == 0
    return save_root, unimodal, fusion


def _rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _board(save_root, kind):
    return leaderboard.read(Path(f"{save_root}-{kind}"))


def _comparable(rows):
    return sorted([row[column] for column in SAME] for row in rows)


def _arrays(save_root, kind, row):
    files = {}
    for name, file in json.loads(row["files"]).items():
        if file.endswith(".npz"):
            with np.load(Path(f"{save_root}-{kind}") / file) as arrays:
                files[name] = {key: arrays[key] for key in arrays.files if key != "args"}
    return files


def _untimed(row):
    """Names of a run's files without the time at their end."""
    return {name: file.rsplit("_", 1)[0] for name, file in json.loads(row["files"]).items()}


PLAIN = [
    ("unimodal", [f"--{modality}_feature=my net $1-UTT" for modality in ("audio", "text", "video")]),
    ("multitop-others", ["--model=attention_topn", "--fusion_topn=2", "--fusion_modality=AT"]),
]


@pytest.mark.parametrize(("kind", "own"), PLAIN, ids=["unimodal", "fusion"])
def test_every_search_is_that_of_main_release_bit_for_bit(corpus, done, tmp_path, kind, own):
    ranks = Path(f"{done[0]}-tables") / "ranks-MER2024.csv"
    command = [*_flags(corpus, tmp_path / "plain"), "--resume", "--feat_type=utt", "--model=attention", *own]
    assert train(parse([*command, f"--rank_from={ranks}"], None)) == 0
    plain = _board(tmp_path / "plain", kind)
    ours = [row for row in _board(done[0], kind) if row["run_id"] in {row["run_id"] for row in plain}]
    assert len(plain) == 4 and _comparable(plain) == _comparable(ours)
    mine = {row["run_id"]: row for row in ours}
    for row in plain:
        first, second = _arrays(tmp_path / "plain", kind, row), _arrays(done[0], kind, mine[row["run_id"]])
        assert first.keys() == second.keys() == {"cv", "test1"}
        for name, arrays in first.items():
            for key, array in arrays.items():
                assert np.array_equal(array, second[name][key], equal_nan=array.dtype.kind == "f")
        assert _untimed(row) == _untimed(mine[row["run_id"]])


def test_the_unimodal_table_is_what_the_leaderboard_says(done):
    board = _board(done[0], "unimodal")
    rows = {row["feature"]: row for row in _rows(f"{done[0]}-tables/unimodal-MER2024.csv")}
    assert rows.keys() == FEATURES.keys() and len(board) == 4 * len(FEATURES)
    for feature, (modality, width, _) in FEATURES.items():
        row = rows[feature]
        assert (row["modality"], row["width"], row["repeats"]) == (modality, str(width), "2")
        repeats = [run for run in board if run["audio"] == feature and run["phase"] == "repeat"]
        search = [run for run in board if run["audio"] == feature and run["phase"] == "search"]
        for key in ("f1", "acc"):
            values = [float(run[key]) for run in repeats]
            assert float(row[f"{key}_mean"]) == pytest.approx(statistics.mean(values), abs=1e-6)
            assert float(row[f"{key}_std"]) == pytest.approx(statistics.pstdev(values), abs=1e-6)
        best = max(search, key=lambda run: (float(run["f1"]), -int(run["trial"])))
        assert (row["search_best_f1"], row["hyper"]) == (best["f1"], best["hyper"])
        assert {run["hyper"] for run in repeats} == {best["hyper"]}
        shown = f"{float(row['f1_mean']):.4f} +- {float(row['f1_std']):.4f}"
        assert any(feature in line and shown in line for line in done[1].splitlines())
        markdown = Path(f"{done[0]}-tables/unimodal-MER2024.md").read_text(encoding="utf-8")
        assert f"| {feature} |" in markdown and shown.replace("+-", "\u00b1") in markdown


def test_hidden_test_sets_have_no_column(done):
    for path in Path(f"{done[0]}-tables").glob("*.csv"):
        assert not [column for column in _rows(path)[0] if "test1" in column]
    assert "labels of test1 are hidden" in Path(f"{done[0]}-tables/unimodal-MER2024.md").read_text(encoding="utf-8")


def test_features_are_ranked_within_their_modality(done):
    rows = _rows(f"{done[0]}-tables/ranks-MER2024.csv")
    table = {row["feature"]: float(row["f1_mean"]) for row in _rows(f"{done[0]}-tables/unimodal-MER2024.csv")}
    expected = {
        letter: sorted((f for f, row in FEATURES.items() if row[0] == letter), key=lambda f: -table[f])
        for letter in "ATV"
    }
    assert [(row["modality"], row["rank"], row["feature"]) for row in rows] == [
        (letter, str(rank), feature) for letter in "ATV" for rank, feature in enumerate(expected[letter], start=1)
    ]
    ranks = read_ranks(Path(f"{done[0]}-tables/ranks-MER2024.csv"))
    low_to_high = [tuple(feature[:-4] for feature in reversed(expected[letter])) for letter in "ATV"]
    assert ranks == Ranks(*low_to_high)


def _combination(run):
    args = json.loads(run["args"])
    return args["fusion_topn"], args["fusion_modality"]


def test_the_fusion_table_is_what_the_leaderboard_says(corpus, done):
    board = _board(done[0], "multitop-others")
    rows = {(row["topn"], row["modality"]): row for row in _rows(f"{done[0]}-tables/fusion-MER2024.csv")}
    assert list(rows) == [(n, letters) for n in "12" for letters in ("AVT", "AT")]  # top-3: too few
    ranks = read_ranks(Path(f"{done[0]}-tables/ranks-MER2024.csv"))
    for (n, letters), row in rows.items():
        entered = topn_features(int(n), letters, corpus_paths("MER2024", corpus).features, ranks)[0]
        assert json.loads(row["features"]) == list(entered) and row["inputs"] == str(3 * int(n))
        assert int(row["width"]) == sum(FEATURES[feature][1] for feature in set(entered))
        values = [
            float(run["f1"]) for run in board if run["phase"] == "repeat" and _combination(run) == (int(n), letters)
        ]
        assert len(values) == 2
        assert float(row["f1_mean"]) == pytest.approx(statistics.mean(values), abs=1e-6)
        assert float(row["f1_std"]) == pytest.approx(statistics.pstdev(values), abs=1e-6)
    page = Path(f"{done[0]}-tables/fusion-MER2024.md").read_text(encoding="utf-8")
    cells = [
        f"{float(rows['2', letters]['f1_mean']):.4f} \u00b1 {float(rows['2', letters]['f1_std']):.4f}"
        for letters in ("AVT", "AT")
    ]
    assert f"| top-2 | {' | '.join(cells)} |" in page
    assert "left out: top-3 AT: only 2 text features ranked" in page and "left out: top-3 AT" in done[2]
    assert Path(f"{done[0]}-tables/fusion-MER2024.html").read_text(encoding="utf-8").count("top-2 AVT") > 0


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".md")}


def test_a_second_run_trains_nothing_and_writes_the_same(corpus, done, monkeypatch):
    _no_training(monkeypatch)
    places = [Path(f"{done[0]}-{kind}") for kind in ("tables", "unimodal", "multitop-others")]
    before = [_contents(place) for place in places]
    assert _table("unimodal", *_flags(corpus, done[0]), *TOLD, "--no_report")[0] == 0
    status, text = _table("fusion", *_flags(corpus, done[0]), *COMBINATIONS, "--no_report")
    assert status == 0 and text.count("all 4 runs are in") == 4
    assert [_contents(place) for place in places] == before


def test_killed_in_the_middle_then_completed(corpus, done, tmp_path):
    flags = [*_flags(corpus, tmp_path / "saved"), "--features", "*-large*", "--no_report"]
    command = [sys.executable, "-m", "toolkit.train.tables", "unimodal", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(_board(tmp_path / "saved", "unimodal")) < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 5 <= len(_board(tmp_path / "saved", "unimodal")) < 12 and not (tmp_path / "saved-tables").exists()
    assert _table("unimodal", *flags)[0] == 0
    whole = [row for row in _board(done[0], "unimodal") if "-large" in row["audio"]]
    assert len(whole) == 12 and _comparable(_board(tmp_path / "saved", "unimodal")) == _comparable(whole)
    wanted = [
        row | {"rank": "1"} for row in _rows(f"{done[0]}-tables/unimodal-MER2024.csv") if "-large" in row["feature"]
    ]
    assert _rows(tmp_path / "saved-tables/unimodal-MER2024.csv") == wanted


def test_one_broken_folder_stops_no_other(corpus, done, tmp_path, monkeypatch):
    """Copies of finished results: only the broken feature would be trained, and it cannot be."""
    _no_training(monkeypatch)
    root = tmp_path / "data"
    shutil.copytree(corpus, root)
    shutil.copytree(f"{done[0]}-unimodal", tmp_path / "saved-unimodal")
    broken = corpus_paths("MER2024", root).features / "eGeMAPS_UTT" / "sample_00000003.npy"
    broken.write_bytes(b"half")
    status, text = _table("unimodal", *_flags(root, tmp_path / "saved"), *TOLD, "--no_report")
    assert status == 1
    assert f"not in the table: eGeMAPS_UTT: {broken}: not a readable .npy" in text
    assert f"eGeMAPS_UTT: {broken}" in (tmp_path / "saved-tables/unimodal-MER2024.md").read_text(encoding="utf-8")
    kept = {row["feature"] for row in _rows(tmp_path / "saved-tables/ranks-MER2024.csv")}
    assert kept == FEATURES.keys() - {"eGeMAPS_UTT"}


def test_failed_runs_are_listed(corpus, tmp_path):
    (tmp_path / "bad.yaml").write_text("lr: 1.0e+38\nhidden_dim: 8\n")
    flags = [*_flags(corpus, tmp_path / "saved"), "--features", "emonet*", f"--hyper_path={tmp_path / 'bad.yaml'}"]
    status, text = _table("unimodal", *flags)
    assert status == 1 and "no table: nothing has a score" in text
    assert "not in the table: emonet_UTT: none of its runs has a result" in text
    assert not (tmp_path / "saved-tables").exists()


def test_without_repeats_the_best_run_is_shown(corpus, done, tmp_path, monkeypatch):
    shutil.copytree(f"{done[0]}-unimodal", tmp_path / "saved-unimodal")
    _no_training(monkeypatch)
    flags = [*_flags(corpus, tmp_path / "saved"), "--repeat_best=0", "--features", "emonet*", "--no_report"]
    assert _table("unimodal", *flags)[0] == 0
    row = _rows(tmp_path / "saved-tables/unimodal-MER2024.csv")[0]
    assert row["f1_mean"] == row["search_best_f1"] and (row["f1_std"], row["repeats"]) == ("", "0")


# ---------------------------------------------------------------- what is refused, before anything is trained


def _refused(message, *arguments):
    with pytest.raises(UserError, match=message):
        _table(*arguments)


def test_wrong_flags(corpus, tmp_path, monkeypatch):
    _no_training(monkeypatch)
    flags = _flags(corpus, tmp_path / "saved")
    _refused(r"modality unknown of my net \$1-UTT; say .* --modality 'my net \$1-UTT=audio'", "unimodal", *flags)
    _refused("--modality x: expected FEATURE=audio", "unimodal", *flags, "--modality", "x")
    _refused("--modality none=...: no such feature", "unimodal", *flags, "--modality", "none=T")
    _refused(r"--features none\*: no feature folder .*folders there: chin", "unimodal", *flags, "--features", "none*")
    _refused(
        "--search grid: the table decides that .here: random.; leave it out", "unimodal", *flags, *TOLD, "--search=grid"
    )
    _refused("--model x: unknown", "unimodal", *flags, *TOLD, "--model", "x")
    _refused("MER2023_UNLABEL: it has no labels", "unimodal", *flags, "--dataset", "MER2023_UNLABEL")
    _refused("ranks-MER2024.csv: no ranks; run the unimodal table first", "fusion", *flags)
    _refused("--rank_from nothing: no such file", "fusion", *flags, "--rank_from", "nothing")
    _refused("--fusion_modality TA: unknown", "fusion", *flags, "--rank_from", "paper", "--modalities", "TA")
    paper = "no combination has its features:\n  top-1 AVT: no folder Baichuan-13B-Base-UTT"
    _refused(paper, "fusion", *flags, "--rank_from", "paper", "--topn", "1", "--modalities", "AVT")
    assert not list(tmp_path.glob("saved*/leaderboard.csv"))


def test_words_for_a_modality():
    from toolkit.train.table_features import parse_modalities

    pairs = ["a=b-UTT=audio", "t=T", "v=video", "w=visual", "x=image"]
    assert parse_modalities(pairs) == {"a=b-UTT": "A", "t": "T", "v": "V", "w": "V", "x": "V"}


def test_features_of_a_noise_condition_are_left_out_unless_named(corpus, tmp_path):
    from toolkit.train.table_features import choose_features

    for name in ("a-UTT", "a-noisesnr5-UTT", "b_UTT", "a-FRA"):
        (tmp_path / name).mkdir()
    assert choose_features(tmp_path, None) == (["a-UTT", "b_UTT"], ["a-noisesnr5-UTT"])
    assert choose_features(tmp_path, ["a*"]) == (["a-UTT", "a-noisesnr5-UTT"], [])


def test_of_two_folders_of_one_feature_the_usual_one_is_ranked(tmp_path):
    from toolkit.train.table_search import Figures
    from toolkit.train.table_unimodal import ranked_rows

    figures = {}
    for name, f1 in (("eGeMAPS-UTT", 0.9), ("eGeMAPS_UTT", 0.5), ("vggish_UTT", 0.4)):
        (tmp_path / name).mkdir()
        figures[name] = Figures(tmp_path, (name,), (3,), {}, f1, {"f1": (f1, 0.0)}, 2, 0)
    rows = ranked_rows(figures, dict.fromkeys(figures, "A"), tmp_path)
    assert [(row.feature, row.rank) for row in rows] == [("eGeMAPS-UTT", 0), ("eGeMAPS_UTT", 1), ("vggish_UTT", 2)]


def test_help_needs_no_torch():
    code = (
        "import sys\nfrom toolkit.train.tables import main\n"
        "try: main(['unimodal', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and "--repeat_best" in done.stdout
