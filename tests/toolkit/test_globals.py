"""The names that users' scripts depend on."""

from pathlib import Path

import pytest

from toolkit import globals as names


def test_label_sets_in_order():
    assert names.EMOS_MER == ("neutral", "angry", "happy", "sad", "worried", "surprise")
    assert names.EMOS_IEMOCAP_FOUR == ("happy", "sad", "neutral", "angry")
    assert names.EMOS_IEMOCAP_SIX == ("happy", "sad", "neutral", "angry", "excited", "frustrated")
    assert names.EMOS_MELD == ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")


def test_the_mapping_is_one_to_one():
    assert len(names.featname_mapping) == len(names.featname_mapping_reverse) == 55
    for stem, display in names.featname_mapping.items():
        assert names.featname_mapping_reverse[display] == stem


@pytest.mark.parametrize(
    ("rank", "length", "lowest", "highest"),
    [
        (names.AUDIO_RANK_LOW2HIGH, 9, "eGeMAPS", "HUBERT-large"),
        (names.TEXT_RANK_LOW2HIGH, 15, "XLNet-base", "Baichuan-13B"),
        (names.IMAGR_RANK_LOW2HIGH, 12, "VideoMAE-base", "CLIP-large"),
    ],
)
def test_every_ranked_name_has_a_folder(rank, length, lowest, highest):
    assert (len(rank), rank[0], rank[-1]) == (length, lowest, highest)
    assert all(display in names.featname_mapping_reverse for display in rank)


def test_places_follow_the_data_root(tmp_path, monkeypatch):
    paths = names.corpus_paths("MER2024", tmp_path)
    assert paths.transcript == tmp_path / "mer2024-dataset-process" / "transcription-merge.csv"
    assert names.corpus_paths("IEMOCAPSix", tmp_path).video.name == "subvideo-tgt"
    assert names.corpus_paths("MELD", tmp_path).audio.name == "subaudio"
    monkeypatch.setenv("MER_DATA_ROOT", str(tmp_path / "elsewhere"))
    assert names.corpus_paths("SIMS").root == tmp_path / "elsewhere" / "sims-dataset-process"
    monkeypatch.delenv("MER_DATA_ROOT")
    assert names.corpus_paths("SIMS").root.parent == Path(names.__file__).resolve().parent.parent


def test_unknown_dataset_lists_the_known():
    with pytest.raises(ValueError, match="unknown dataset 'MER2042'; known: MER2024, MER2023"):
        names.corpus_paths("MER2042")
