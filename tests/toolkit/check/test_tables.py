"""Labels, transcripts and features: every planted fault is found, and nothing else."""

import json
import os
import shutil

import numpy as np
import pytest

from toolkit.check.feature_source import modality
from toolkit.check.features import outliers
from toolkit.data.labels import write_labels
from toolkit.globals import corpus_paths
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv

AUDIO, FRAMES, TEXT = "eGeMAPS_UTT", "clip-vit-large-patch14-FRA", "bert-base-chinese-UTT"


def label(emo, val=-10):
    return {"emo": emo, "val": val}


def test_labels(corpus, found, details, names):
    train = {name: label("happy") for name in names[:4]} | {names[4]: label("cheerful"), names[5]: label("angry")}
    write_labels(corpus.label, {"train_corpus": train, "test1_corpus": {name: label("neutral") for name in names[5:]}})
    assert found(corpus, kinds=["labels"]) == {
        ("labels", "label_emotion"): [1, names[4]],
        ("labels", "label_twice"): [1, names[5]],
        ("labels", "label_class_empty"): [4, "neutral", "sad", "surprise", "worried"],
    }
    assert details(corpus)["label_twice"] == ["train_corpus and test1_corpus"]


def test_a_split_that_is_missing_or_empty(corpus, details, names):
    write_labels(corpus.label, {"train_corpus": {}, "other": {name: label("sad") for name in names}})
    assert details(corpus)["label_key"] == ["is not there", "is empty"]  # test1_corpus, train_corpus


@pytest.mark.parametrize("damage", ["absent", "text"])
def test_without_labels_the_videos_name_the_clips(corpus, found, details, names, damage):
    corpus.label.unlink()
    if damage == "text":
        corpus.label.write_text("no zip")
    assert found(corpus) == {("labels", "label_file"): [1, "label-6way.npz"]}
    (corpus.audio / f"{names[0]}.wav").unlink()
    assert found(corpus)["audio", "audio_missing"] == [1, names[0]]
    assert details(corpus)["label_file"][0].startswith("does not exist" if damage == "absent" else "not an .npz")


def test_valences_count_where_they_are_trained_on(corpus, found):
    paths = corpus_paths("MER2023", corpus.root.parent)
    paths.root.mkdir()
    train = {f"s{number}": label("happy", number / 2) for number in range(4)}
    train |= {"none": label("sad"), "odd": label("angry", float("nan"))}
    tests = {f"test{number}_corpus": {f"t{number}": label("neutral", 1.0)} for number in (1, 2, 3)}
    write_labels(paths.label, {"train_corpus": train, **tests})
    got = found(paths, kinds=["labels"])
    assert got["labels", "label_valence_missing"] == [1, "none"] and got["labels", "label_valence"] == [1, "odd"]


def test_transcripts(corpus, found, details, names):
    rows = [(name, f"text {number}") for number, name in enumerate(names[2:6])]
    rows += [(names[1], " "), (names[2], "again"), ("stranger", "x"), ("", "y"), (" blank ", "z"), ("../x", "w")]
    write_csv(corpus.transcript, ("name", "chinese"), rows)
    os.utime(corpus.transcript, (2000, 2000))
    assert found(corpus, kinds=["transcripts"]) == {
        ("transcripts", "text_missing"): [3, *sorted([names[0], names[6], names[7]])],
        ("transcripts", "text_empty"): [1, names[1]],
        ("transcripts", "text_twice"): [1, names[2]],
        ("transcripts", "text_extra"): [4, "", " blank ", "../x", "stranger"],
        ("transcripts", "text_name"): [3, "' blank '", "''", "'../x'"],
    }


def test_a_recogniser_that_repeats_itself(corpus, details, names):
    write_csv(corpus.transcript, ("name", "chinese"), [(name, "thanks for watching") for name in names])
    assert details(corpus, kinds=["transcripts"])["text_repeated"] == ["8 clips: 'thanks for watching'"]


def test_transcript_files_that_cannot_be_used(corpus, details):
    corpus.transcript.write_text("name,text\na,b\n")
    assert details(corpus, kinds=["transcripts"])["text_file"] == ["no column chinese or english; columns: name, text"]
    corpus.transcript.write_text("name,chinese\na,b,c\n")
    assert details(corpus, kinds=["transcripts"])["text_file"][0].startswith("line 2: 3 cells under 2 columns")


def test_features(corpus, found, details, names):
    place = [corpus.features / AUDIO / f"{name}.npy" for name in names]
    good = np.load(place[0])
    np.save(place[0], np.where(np.arange(16) < 3, np.nan, good))
    np.save(place[1], np.zeros(16, np.float32))
    np.save(place[2], good[:9])
    np.save(place[3], good.astype(np.float64) * 1e6)
    np.save(place[4], np.zeros((0, 16), np.float32))
    place[5].write_bytes(place[5].read_bytes()[:-4])
    place[6].unlink()
    np.save(corpus.features / AUDIO / "stranger.npy", good)
    np.save(place[7], np.array(["a"]))
    (corpus.features / AUDIO / "failures.csv").write_text('name,reason\n"it\'s a $5 ""clip"".one",silent\n')
    for path in (corpus.features / AUDIO).iterdir():
        os.utime(path, (3000, 3000))
    got = {code: row for (part, code), row in found(corpus).items() if part == AUDIO}
    assert got == {
        "feature_nan": [1, names[0]],
        "feature_zero": [1, names[1]],
        "feature_width": [1, names[2]],
        "feature_dtype": [1, names[3]],
        "feature_shape": [1, names[4]],
        "feature_unreadable": [2, *sorted([names[5], names[7]])],
        "feature_missing": [1, names[6]],
        "feature_extra": [1, "stranger"],
    }
    told = details(corpus)
    assert told["feature_nan"] == ["3 of 16 values"] and told["feature_missing"] == ["silent"]
    assert told["feature_width"] == ["9, most have 16"] and told["feature_dtype"] == ["float64, most are float32"]
    quick = {code for part, code in found(corpus, quick=True) if part == AUDIO}
    assert quick == set(got) - {"feature_nan", "feature_zero"}


def test_outliers_and_twins(corpus, found, details, names):
    folder = corpus.features / AUDIO
    np.save(folder / f"{names[3]}.npy", np.load(folder / f"{names[3]}.npy") * 1000)
    for place in (folder, corpus.features / TEXT):  # equal texts are no wonder
        shutil.copyfile(place / f"{names[0]}.npy", place / f"{names[1]}.npy")
    os.utime(corpus.features / TEXT / f"{names[1]}.npy", (3000, 3000))
    assert found(corpus) == {
        (AUDIO, "feature_outlier"): [1, names[3]],
        (AUDIO, "feature_same"): [1, names[1]],
    }
    assert details(corpus)["feature_same"] == [f"as {names[0]}"]


def test_the_rule_of_outliers_by_hand():
    """Median 1, spread 0: the limit is the factor 3, both ways; few levels are no population."""
    names = list("abcdefg")
    assert outliers(names, [1, 1, 1, 1, 1, 3.01, 0.3]) == [("f", pytest.approx(3.01)), ("g", pytest.approx(0.3))]
    assert outliers(names, [1, 1, 1, 1, 1, 2.99, 0.34]) == []
    assert outliers(names[:4], [1, 1, 1, 1e9]) == []
    # log levels -2..2 around 0: median absolute deviation 1, limit 14.8 in logs
    logs = [-2.0, -1.0, 0.0, 1.0, 2.0, 14.9, -14.7]
    spread = 1.4826 * np.median(np.abs(np.array(logs)))
    assert [name for name, _ in outliers(names, np.exp(logs))] == [
        name for name, log in zip(names, logs, strict=True) if abs(log) > 10 * spread
    ]


def test_folders_of_frames_and_rows(corpus, found, names):
    folder = corpus.features / FRAMES
    (folder / f"{names[0]}.npy").unlink()
    (folder / names[0]).mkdir()
    for number in range(3):
        np.save(folder / names[0] / f"{number:04d}.npy", np.full(6, number + 1.0, np.float32))
    (folder / f"{names[1]}.npy").unlink()
    (folder / names[1]).mkdir()
    np.save(corpus.features / AUDIO / f"{names[2]}.npy", np.ones((3, 16), np.float32))
    assert found(corpus, kinds=["features"]) == {
        (FRAMES, "feature_unreadable"): [1, names[1]],
        (AUDIO, "feature_rows"): [1, AUDIO],
    }


def test_folder_names_and_selection(corpus, found):
    (corpus.features / "my features").mkdir()
    shutil.copytree(corpus.features / AUDIO, corpus.features / "eGeMAPS-UTT")
    (corpus.features / ".packed").mkdir()
    got = found(corpus, kinds=["features"])
    assert got["feature folders", "feature_name"] == [1, "my features"]
    assert got["feature folders", "feature_pair"] == [1, "eGeMAPS-UTT"]
    shutil.rmtree(corpus.features / TEXT)
    (corpus.features / TEXT).mkdir()
    assert (TEXT, "feature_missing") not in found(corpus, features="*_UTT")
    assert found(corpus, features="bert*")[TEXT, "feature_missing"][0] == 8
    there = "bert-base-chinese-UTT, clip-vit-large-patch14-FRA, eGeMAPS-UTT, eGeMAPS_UTT"
    with pytest.raises(UserError, match=rf"--features none\*: no folder of .* fits; there: {there}"):
        found(corpus, features="none*")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"width": 15}, "width 15, the folder has 16"),
        ({"feature": "IS09"}, "feature IS09, the folder has eGeMAPS"),
        ({"level": "FRAME"}, "level FRAME, the folder is named UTT"),
        ({"counts": {"files": 9}}, "9 files at the end of the last run, now 8"),
        ({"kept_without_manifest": 3}, "3 files of unknown origin were there before it"),
    ],
)
def test_manifests(corpus, details, change, told):
    manifest = {"feature": "eGeMAPS", "level": "UTTERANCE", "width": 16, "counts": {"files": 8, "failed": 0}} | change
    (corpus.features / AUDIO / "manifest.json").write_text(json.dumps(manifest))
    assert details(corpus, kinds=["features"]).get("feature_manifest") == (None if told is None else [told])


def test_noisy_features_are_held_against_noisy_sound(corpus, found, names):
    folder = corpus.features / "eGeMAPS_noisesnr5_UTT"
    shutil.copytree(corpus.features / AUDIO, folder)
    noisy = corpus.audio.with_name("audio_snr5")
    shutil.copytree(corpus.audio, noisy)
    os.utime(noisy / f"{names[0]}.wav", (9000, 9000))
    got = found(corpus)
    assert got["eGeMAPS_noisesnr5_UTT", "feature_stale"] == [1, names[0]] and (AUDIO, "feature_stale") not in got


def test_modalities_by_table_and_by_name():
    stems = (
        "eGeMAPS",
        "clip-vit-base-patch32",
        "bloom-7b1",
        "whisper-tiny.en",
        "mini-xception",
        "all-MiniLM-L6-v2-langeng",
    )
    assert [modality(stem) for stem in stems] == ["A", "V", "T", "A", "V", "T"]
    assert modality("my-own") is None


def test_a_corpus_of_the_users_own(corpus, found, names):
    root = corpus.root.parent / "my.clips-dataset-process"
    corpus.root.rename(root)
    (root / "corpus.yaml").write_text(
        "name: my.clips\nemotions: [calm, tense]\noutputs: [2, 0]\nmetric: emo\n"
        "splits: {folds: random5, train: train_corpus, validation: null, tests: {test1: test_corpus}, hidden: []}\n"
    )
    paths = corpus_paths("my.clips", root.parent)
    train = {name: label("calm") for name in names[:4]} | {names[4]: label("tense"), names[5]: label("happy")}
    write_labels(paths.label, {"train_corpus": train, "test_corpus": {name: label("calm") for name in names[6:]}})
    (root / "transcription-merge.csv").rename(paths.transcript)
    assert found(paths) == {("labels", "label_emotion"): [1, names[5]]}
