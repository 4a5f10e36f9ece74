"""Grouping by every way, what is printed and written, missing replies, repeated passes, comparison."""

import csv
import json

import numpy as np
import pytest

from toolkit.openset import asking, commands, grouping
from toolkit.openset.bootstrap import interval, resampled_means
from toolkit.openset.replies import ReplyStore
from toolkit.utils.errors import UserError

GT = {"a": ["happy", "calm"], "b": ["sad"], "c": ["angry", "tired"]}
PRED = {"a": ["joyful"], "b": ["down", "calm"], "c": ["angry"]}
REPLIES = {
    "a": "[['happy', 'joyful'], ['calm']]",
    "b": "[['sad', 'down'], ['calm']]",
    "c": "[['angry'], ['tired']]",
}
# accuracy 1, 1/2, 1; recall 1/2, 1, 1/2
LINES = "set level accuracy: 0.8333333333333334; recall: 0.6666666666666666\navg score: 0.75\n"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No key, and whoever asks although replies are complete fails (a test with a server puts `ask_all` back)."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(grouping, "ask_all", lambda *_, **__: pytest.fail("the chat model was asked"))


@pytest.fixture
def files(write_labels):
    return {"gt_csv": str(write_labels("gt.csv", GT)), "pred_csv": str(write_labels("pred.csv", PRED))}


def _save(folder, replies):
    for name, reply in replies.items():
        ReplyStore.at(folder).save(name, reply)


@pytest.mark.parametrize("kind", ["auto", "chatgpt"])
def test_complete_replies_ask_nothing(files, tmp_path, capsys, kind):
    _save(tmp_path / "openset-synonym", REPLIES)
    assert commands.main_metric(**files, grouping=kind) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"GROUPING: saved replies of a chat model ({tmp_path / 'openset-synonym'})\n")
    assert out.endswith(f"process number (after filter):  3\n{LINES}")


def test_exact_grouping(files, capsys):
    assert commands.main_metric(**files, grouping="exact") == 0
    out = capsys.readouterr().out  # only c: accuracy 1, recall 1/2
    assert "GROUPING: exact match" in out
    assert "set level accuracy: 0.3333333333333333; recall: 0.16666666666666666\navg score: 0.25\n" in out


def test_auto_without_replies_and_key_takes_the_lexicon_and_says_so(files, write_labels, tmp_path, capsys, monkeypatch):
    _save(tmp_path / "openset-synonym", {"a": REPLIES["a"]})
    used = {}

    class Pairs:
        notes = ("a note",)

        def groups(self, labels):
            table = {"joyful": "happy", "down": "sad"}
            groups = {}
            for label in labels:
                groups.setdefault(table.get(label, label), []).append(label)
            return list(groups.values())

        def knows(self, label):
            return label != "tired"

    def load_lexicon(extra=None):
        used["extra"] = extra
        return Pairs()

    import toolkit.openset.lexicon as lexicon

    monkeypatch.setattr(lexicon, "load_lexicon", load_lexicon)
    assert commands.main_metric(**files, lexicon=str(write_labels("mine.csv", {}))) == 0
    out = capsys.readouterr().out
    assert "1 saved replies" in out and "not used: they are not complete, and no key is set" in out
    assert "GROUPING: embedded lexicon\n" in out
    assert "coverage: the lexicon knows 8 of 9 labels (88.9%)" in out
    assert "unknown labels count by exact match: tired" in out
    assert used["extra"] == tmp_path / "mine.csv" and "  a note\n" in out
    assert out.endswith(LINES)


def test_missing_replies_give_no_score_unless_allowed(files, tmp_path, capsys):
    _save(tmp_path / "r", {"a": REPLIES["a"], "c": "[]"})
    score = commands.calculate_openset_overlap_rate_mer2024
    assert score(**files, synonym_root=str(tmp_path / "r")) == 1
    out = capsys.readouterr().out
    assert "2 samples have no usable reply:\n  failed: b: " in out and "  failed: c: " in out
    assert "1 saved replies hold no labels of their sample and do not count: c" in out
    assert "avg score" not in out
    assert score(**files, synonym_root=str(tmp_path / "r"), allow_missing=True) == 0
    out = capsys.readouterr().out
    assert out.endswith("process number (after filter):  1\nset level accuracy: 1.0; recall: 0.5\navg score: 0.75\n")


@pytest.mark.parametrize("kind", ["auto", "chatgpt"])
def test_allow_missing_without_a_key_scores_those_that_are_there(files, tmp_path, capsys, kind):
    _save(tmp_path / "openset-synonym", {"a": REPLIES["a"], "c": REPLIES["c"]})
    assert commands.main_metric(**files, grouping=kind, allow_missing=True) == 0
    out = capsys.readouterr().out
    assert "GROUPING: saved replies" in out and "  failed: b: no usable reply in" in out
    assert out.endswith("process number (after filter):  2\nset level accuracy: 1.0; recall: 0.5\navg score: 0.75\n")


def test_passes_with_missing_replies_compare_what_all_have(files, tmp_path, capsys):
    _save(tmp_path / "openset-synonym", {"a": REPLIES["a"], "b": REPLIES["b"]})
    _save(tmp_path / "openset-synonym.pass2", {"b": REPLIES["b"], "c": REPLIES["c"]})
    assert commands.main_metric(**files, repeat=2, allow_missing=True) == 0
    out = capsys.readouterr().out
    assert "  failed: a: pass 2: no usable" in out and "  failed: c: pass 1: no usable" in out
    assert out.endswith("process number (after filter):  1\nset level accuracy: 0.5; recall: 1.0\navg score: 0.75\n")
    assert f"  pass 2: saved replies of a chat model ({tmp_path / 'openset-synonym.pass2'})\n" in out


def test_labels_forgotten_without_any_others_warn_too(files, tmp_path, capsys):
    _save(tmp_path / "openset-synonym", {"a": "[['happy']]", "b": "[['sad']]", "c": "[['angry']]"})
    assert commands.main_metric(**files) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("  WARNING: the replies do not fit: 5 of 8 labels (62%) are not in them, 0 of 3 replies")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"grouping": "exact", "repeat": 2}, "no effect with exact match: --repeat\n"),
        ({"grouping": "wheel", "synonym_root": "x"}, "no effect with the embedded lexicon: --synonym_root\n"),
        ({"grouping": "chatgpt", "lexicon": "pred.csv"}, "no effect with replies of a chat model: --lexicon\n"),
        ({"grouping": "exact"}, ""),
    ],
)
def test_flags_without_effect_are_named(files, tmp_path, capsys, monkeypatch, flags, line):
    monkeypatch.chdir(tmp_path)
    _save(tmp_path / "openset-synonym", REPLIES)
    assert commands.main_metric(**files, **flags) == 0
    out = capsys.readouterr().out
    assert out.startswith(line + "GROUPING: ") and ("no effect" in out) == bool(line)


def test_the_grouping_line_is_true_when_nothing_came(files, write_labels, capsys, chat_server, monkeypatch):
    monkeypatch.setattr(grouping, "ask_all", asking.ask_all)
    labels = [tuple(sorted({*GT[name], *PRED[name]})) for name in GT]
    chat_server.faults = {several: ["400"] for several in labels}
    assert commands.main_metric(**files, model="tiny", base_url=chat_server.url) == 1
    assert "GROUPING: none, chat model tiny gave no usable reply\n" in capsys.readouterr().out
    one = str(write_labels("one.csv", {"a": ["x"]}))
    assert commands.main_metric(one, one, grouping="chatgpt") == 0
    assert "GROUPING: no reply is needed, every sample has a single label\n" in capsys.readouterr().out


def test_chatgpt_without_a_key_says_what_to_do(files):
    with pytest.raises(UserError, match="3 of 3 replies are missing in .*OPENAI_API_KEY.*--base_url.*--grouping wheel"):
        commands.main_metric(**files, grouping="chatgpt")


def test_a_missing_prediction_counts_as_empty_and_extra_ones_are_listed(write_labels, capsys):
    gt = write_labels("gt.csv", {"a": ["x"], "b": ["y"], "e": []})
    pred = write_labels("pred.csv", {"a": ["x"], "z": ["x"]})
    assert commands.main_metric(str(gt), str(pred), grouping="exact") == 0
    out = capsys.readouterr().out
    assert "1 samples have no prediction and score 0: b\n" in out
    assert "1 predictions have no true labels, not scored: z\n" in out
    assert "1 samples have an empty true list, not scored: e\n" in out
    assert "process number (after filter):  2\nset level accuracy: 0.5; recall: 0.5\n" in out


def test_a_sample_with_one_label_needs_no_reply(write_labels, tmp_path, capsys):
    gt = write_labels("gt.csv", {"a": ["x"], "b": ["y"]})
    pred = write_labels("pred.csv", {"a": ["x"], "b": []})
    assert commands.main_metric(str(gt), str(pred), grouping="chatgpt", out=str(tmp_path / "out")) == 0
    assert "set level accuracy: 0.5; recall: 0.5\n" in capsys.readouterr().out
    assert "single label" in (tmp_path / "out" / "samples.csv").read_text()


def test_forgotten_and_foreign_labels_are_counted(files, tmp_path, capsys):
    replies = REPLIES | {"a": "[['happy', 'joyful', 'merry']]", "b": "[['sad', 'low'], ['calm']]"}
    _save(tmp_path / "openset-synonym", replies)
    assert commands.main_metric(**files) == 0
    out = capsys.readouterr().out
    assert "2 of 8 labels are forgotten in the replies" in out
    assert "2 labels in the replies were not asked for" in out
    assert (
        "  WARNING: the replies do not fit: 2 of 8 labels (25%) are not in them, 2 of 3 replies lack labels and" in out
    )
    # b: down is forgotten and meets no true label: accuracy 1, 0, 1; recall 1/2, 0, 1/2
    assert "set level accuracy: 0.6666666666666666; recall: 0.3333333333333333\n" in out


def test_the_csv_and_the_picture(files, tmp_path):
    _save(tmp_path / "openset-synonym", REPLIES)
    assert commands.main_metric(**files, out=str(tmp_path / "out"), table=True) == 0
    with open(tmp_path / "out" / "samples.csv", encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert json.loads(rows["b"]["groups"]) == [["sad", "down"], ["calm"]]
    assert json.loads(rows["b"]["gt"]) == ["sad"] and json.loads(rows["b"]["hits"]) == ["sad"]
    assert (rows["b"]["accuracy"], rows["b"]["recall"], rows["b"]["obtained"]) == ("0.5", "1.0", "saved reply")
    import matplotlib.image

    picture = matplotlib.image.imread(tmp_path / "out" / "scores.png")
    assert picture.shape[1] > 2 * picture.shape[0] > 400
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 20


def test_passes_are_averaged_with_their_spread(files, tmp_path, capsys):
    _save(tmp_path / "openset-synonym", REPLIES)
    _save(
        tmp_path / "openset-synonym.pass2", REPLIES | {"b": "[['sad'], ['down'], ['calm']]"}
    )  # accuracy and recall of b 0
    assert commands.main_metric(**files, repeat=2) == 0
    out = capsys.readouterr().out
    assert "pass 1: accuracy 0.8333333333333334; recall 0.6666666666666666; avg score 0.75\n" in out
    assert "pass 2: accuracy 0.6666666666666666; recall 0.3333333333333333; avg score 0.5\n" in out
    assert "accuracy 0.750000 +- 0.117851, recall 0.500000 +- 0.235702, average 0.625000 +- 0.176777" in out
    assert "set level accuracy: 0.75; recall: 0.5\navg score: 0.625\n" in out


def test_asking_saves_and_a_second_run_asks_nothing(files, tmp_path, capsys, chat_server, monkeypatch):
    monkeypatch.setattr(grouping, "ask_all", asking.ask_all)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-987654321")
    by_labels = {tuple(sorted({*GT[name], *PRED[name]})): reply for name, reply in REPLIES.items()}
    chat_server.reply = lambda labels: by_labels[tuple(labels)]
    chat_server.faults = {labels: ["429", "empty", "cut"] for labels in by_labels}
    _save(tmp_path / "openset-synonym", {"b": REPLIES["b"]})
    ask = {"base_url": chat_server.url, "model": "tiny", "repeat": 2, "price": "1,10"}
    assert commands.main_metric(**files, **ask) == 0
    out, err = capsys.readouterr()
    assert out.endswith(LINES)
    assert "pass 1: 2 replies, 8 requests, 400+40 tokens, 0.0008 $" in out
    assert "pass 2: 3 replies," in out and "+- 0.000000" in out
    assert "sk-secret" not in out + err
    assert chat_server.bodies[0]["model"] == "tiny"
    assert sorted(path.name for path in (tmp_path / "openset-synonym.pass2").iterdir()) == ["a.npy", "b.npy", "c.npy"]
    assert not any(b"sk-secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    before = len(chat_server.log)
    assert commands.main_metric(**files, **ask) == 0
    assert commands.generate_openset_synonym_mer2024(**files, **{**ask, "price": ""}) == 0
    assert len(chat_server.log) == before


def test_generate_reports_what_failed(files, tmp_path, capsys, chat_server, monkeypatch):
    monkeypatch.setattr(grouping, "ask_all", asking.ask_all)
    chat_server.faults = {("angry", "tired"): ["no list"] * 50}
    root = tmp_path / "replies"
    assert commands.generate_openset_synonym_mer2024(**files, save_root=str(root), base_url=chat_server.url) == 1
    out = capsys.readouterr().out
    assert f"2 replies asked for, 0 already there -> {root}" in out
    assert "1 samples have no usable reply" in out and "  failed: c: unusable reply, holds no list" in out
    assert sorted(path.name for path in root.iterdir()) == ["a.npy", "b.npy"]


def test_comparison_with_paired_intervals(write_labels, tmp_path, capsys):
    names = [f"s{number}" for number in range(40)]
    gt = write_labels("gt.csv", {name: ["x"] for name in names})
    half = write_labels("half.csv", {name: ["x", "y"] if n % 2 else ["y"] for n, name in enumerate(names)})
    full = write_labels("full.csv", {name: ["x", "y"] for name in names})
    same = write_labels("same.csv", {name: ["x", "y"] if n % 2 else ["y"] for n, name in enumerate(names)})
    files = f"{half},{full},{same}"
    args = {"grouping": "exact", "resamples": 500, "out": str(tmp_path / "out")}
    assert commands.compare(str(gt), files, **args) == 0
    first = capsys.readouterr().out
    assert commands.compare(str(gt), files, **args) == 0
    assert capsys.readouterr().out == first  # seeded
    with open(tmp_path / "out" / "comparison.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # accuracy 1/4, 1/2, 1/4; recall 1/2, 1, 1/2
    assert [float(row["score"]) for row in rows] == [0.375, 0.75, 0.375]
    assert float(rows[1]["difference"]) == 0.375 and 0.2 < float(rows[1]["diff_low"]) < 0.375
    assert [float(rows[2][key]) for key in ("difference", "diff_low", "diff_high")] == [0, 0, 0]
    assert float(rows[1]["low"]) == float(rows[1]["high"]) == 0.75
    assert first.count("differs") == 1


def test_compare_uses_replies_of_each_prediction(write_labels, tmp_path, capsys, files):
    _save(tmp_path / "openset-synonym-pred", REPLIES)
    other = write_labels("other.csv", {"a": ["calm"], "b": ["sad"], "c": ["angry"]})
    _save(tmp_path / "openset-synonym-other", REPLIES)
    assert commands.compare(files["gt_csv"], f"{files['pred_csv']},{other}", resamples=100) == 0
    out = capsys.readouterr().out
    assert out.count("GROUPING: saved replies") == 2
    assert "  0.8333   0.6667  0.7500" in out  # the figure of main_metric
    assert (
        commands.compare(files["gt_csv"], f"{files['pred_csv']},{other}", "x,y", grouping="exact", resamples=100) == 0
    )


def test_bootstrap_against_the_normal_interval():
    values = np.random.default_rng(1).normal(0.5, 0.2, (400, 1))
    found = interval(values.mean(), resampled_means(values, 2000, 0)[:, 0])
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"grouping": "gpt"}, "--grouping 'gpt' is not known; choose auto, chatgpt, wheel, exact"),
        ({"label_parser": "json"}, "--label_parser 'json' is not known"),
        ({"lexicon": "none.csv"}, "--lexicon none.csv does not exist"),
        ({"lexicon": "none.csv", "grouping": "exact"}, "--lexicon none.csv does not exist"),
        ({"synonym_root": "none"}, "--synonym_root none: neither a folder nor a zip is there, and neither OPENAI"),
        ({"synonym_root": "none", "grouping": "chatgpt"}, "--synonym_root none: neither a folder nor a zip"),
        ({"timeout": float("nan")}, "--timeout nan is not a number"),
        ({"repeat": 0}, "--repeat 0 must be at least 1"),
        ({"repeat": "five"}, "--repeat 'five' is not a whole number"),
        ({"concurrency": 1.5}, "--concurrency 1.5 is not a whole number"),
        ({"timeout": 0}, "--timeout 0 is not a number of seconds above 0"),
        ({"price": "cheap"}, "--price 'cheap' is not two numbers"),
        ({"wheel_root": "x", "grouping": "exact"}, "--wheel_root goes with --grouping wheel, not exact"),
    ],
)
def test_wrong_flags(files, flags, message):
    with pytest.raises(UserError, match=message):
        commands.main_metric(**files, **flags)


@pytest.mark.parametrize("files_", ["one.csv", ""])
def test_compare_needs_two_files(files, files_):
    with pytest.raises(UserError, match="at least two files"):
        commands.compare(files["gt_csv"], files_)
    with pytest.raises(UserError, match="names 1 places for 2"):
        commands.compare(files["gt_csv"], "a.csv,b.csv", "r")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("parser", "figures"),
    [
        ("quotes", ("0.581777108433735", "0.4977911646586345", "0.5397841365461847")),
        ("literal", ("0.5802710843373494", "0.4962851405622489", "0.5382781124497992")),
    ],
)
def test_the_published_example(reference, tmp_path, capsys, zipped, parser, figures):
    import shutil
    import zipfile

    shutil.copytree(reference / "ov_store", tmp_path / "ov")
    if not zipped:
        with zipfile.ZipFile(tmp_path / "ov" / "openset-synonym.zip") as file:
            file.extractall(tmp_path / "ov")
        (tmp_path / "ov" / "openset-synonym.zip").unlink()
    files = [str(tmp_path / "ov" / name) for name in ("check-openset.csv", "predict-openset.csv")]
    assert commands.main_metric(*files, label_parser=parser) == 0
    accuracy, recall, average = figures
    assert capsys.readouterr().out.endswith(
        f"process number (after filter):  332\nset level accuracy: {accuracy}; recall: {recall}\navg score: {average}\n"
    )
