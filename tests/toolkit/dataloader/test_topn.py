"""Top-n inputs: which features, in which order, from the papers' ranks or measured ones."""

import pytest

from toolkit.data.features import feature_folder_name
from toolkit.dataloader.modalities import MODALITY_OF_STEM, known_modality
from toolkit.dataloader.topn import Ranks, lacking, ranks_from_leaderboard, read_ranks, topn_features
from toolkit.globals import (
    AUDIO_RANK_LOW2HIGH,
    IMAGR_RANK_LOW2HIGH,
    TEXT_RANK_LOW2HIGH,
    featname_mapping,
    featname_mapping_reverse,
)
from toolkit.utils.errors import UserError

AUDIO = ("chinese-hubert-base-UTT", "chinese-hubert-large-UTT")
TEXT = ("bloom-7b1-UTT", "Baichuan-13B-Base-UTT")
IMAGE = ("videomae-base-K400-mer2023-299-UTT", "clip-vit-large-patch14-UTT")


@pytest.fixture
def all_folders(tmp_path):
    for stem in featname_mapping:
        (tmp_path / feature_folder_name(stem, "UTTERANCE")).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("modality", "features", "letters"),
    [
        ("AVT", (*AUDIO, *TEXT, *IMAGE), "AATTVV"),
        ("AT", (*AUDIO, *TEXT, *TEXT), "AATTTT"),
        ("AV", (*AUDIO, *IMAGE, *IMAGE), "AAVVVV"),
        ("VT", (*TEXT, *TEXT, *IMAGE), "TTTTVV"),
    ],
)
def test_order(all_folders, modality, features, letters):
    assert topn_features(2, modality, all_folders) == (features, tuple(letters))


@pytest.mark.parametrize("topn", range(1, 10))
def test_every_n_takes_the_end_of_the_lists(all_folders, topn):
    features, modalities = topn_features(topn, "AVT", all_folders)
    names = [name for rank in (AUDIO_RANK_LOW2HIGH, TEXT_RANK_LOW2HIGH, IMAGR_RANK_LOW2HIGH) for name in rank[-topn:]]
    assert features == tuple(feature_folder_name(featname_mapping_reverse[name], "UTTERANCE") for name in names)
    assert len(modalities) == 3 * topn


def test_either_separator(all_folders):
    (all_folders / "eGeMAPS_UTT").rename(all_folders / "eGeMAPS-UTT")
    assert topn_features(9, "AVT", all_folders)[0][0] == "eGeMAPS-UTT"


def test_missing_folders_are_named_at_once(all_folders):
    for name in (AUDIO[1], IMAGE[0]):
        (all_folders / name).rmdir()
    with pytest.raises(UserError, match=f"no feature folders {AUDIO[1]}, {IMAGE[0]} in "):
        topn_features(3, "AVT", all_folders)


@pytest.mark.parametrize("topn", [0, -1, 10])
def test_n_beyond_a_list(all_folders, topn):
    with pytest.raises(UserError, match=f"--fusion_topn {topn}: the audio rank list holds 9 features"):
        topn_features(topn, "AVT", all_folders)
    if topn == 10:
        assert len(topn_features(topn, "VT", all_folders)[0]) == 30


def test_unknown_modality(all_folders):
    with pytest.raises(UserError, match="--fusion_modality TA: unknown; one of AVT, AT, AV, VT"):
        topn_features(1, "TA", all_folders)


def test_every_named_feature_has_the_modality_of_its_rank_list():
    assert set(featname_mapping) <= set(MODALITY_OF_STEM)
    for letter, rank in (("A", AUDIO_RANK_LOW2HIGH), ("T", TEXT_RANK_LOW2HIGH), ("V", IMAGR_RANK_LOW2HIGH)):
        assert {known_modality(featname_mapping_reverse[name]) for name in rank} == {letter}
    assert known_modality("eGeMAPS-noisesnr5") == "A" and known_modality("my-model") is None


def _row(feature, f1, **changes):
    return {"audio": feature, "text": feature, "video": feature, "f1": f1, "feat_type": "utt"} | changes


ROWS = [
    _row("emonet_UTT", "0.3"),
    _row("chinese-hubert-large-UTT", "0.5"),
    _row("chinese-hubert-large-UTT", "0.7"),
    _row("eGeMAPS_UTT", "0.6"),
    _row("bloom-7b1-UTT", "0.2"),
    _row("clip-vit-large-patch14-UTT", "0.3"),
    _row("wavlm-base-UTT", "0.65"),
    _row("emonet_UTT", "0.9", text="bloom-7b1-UTT"),  # a fused run
    _row("emonet_FRA", "0.9", feat_type="frm_align"),
    _row("bert-base-chinese-UTT", ""),  # a failed run
]


def test_measured_ranks_by_best_f1():
    ranks = ranks_from_leaderboard(ROWS)
    assert ranks == Ranks(("eGeMAPS", "WavLM-base", "HUBERT-large"), ("BLOOM-7B",), ("CLIP-large", "EmoNet"))


def test_measured_ranks_feed_topn(all_folders):
    (all_folders / "my-net-UTT").mkdir()
    ranks = ranks_from_leaderboard([*ROWS, _row("my-net-UTT", 0.95)], {"my-net": "V"})
    features, _ = topn_features(1, "AV", all_folders, ranks)
    assert features == ("chinese-hubert-large-UTT", "my-net-UTT", "my-net-UTT")


def test_unknown_features_are_named():
    with pytest.raises(UserError, match="modality unknown of mine, yours; say for each whether"):
        ranks_from_leaderboard([_row("yours-UTT", 0.5), _row("mine_UTT", 0.5), *ROWS])
    with pytest.raises(UserError, match="no unimodal utt run"):
        ranks_from_leaderboard(ROWS[7:])


# ---------------------------------------------------------------- ranks in a csv, and what they cannot give


def _ranks(folder, *lines):
    path = folder / "ranks.csv"
    path.write_text("\n".join(["modality,rank,feature,name", *lines]) + "\n")
    return path


def test_a_csv_of_ranks_feeds_topn(all_folders, tmp_path):
    (all_folders / "my net-UTT").mkdir()
    lines = [
        "V,2,emonet_UTT,EmoNet",
        "A,1,eGeMAPS_UTT,eGeMAPS",
        "A,10,vggish_UTT,",
        "A,9,IS09_UTT,",
        "V,1,my net-UTT,x",
    ]
    ranks = read_ranks(_ranks(tmp_path, *lines))
    assert ranks == Ranks(("vggish", "IS09", "eGeMAPS"), (), ("emonet", "my net"))
    features, letters = topn_features(2, "AV", all_folders, ranks)
    assert features == ("IS09_UTT", "eGeMAPS_UTT", "emonet_UTT", "my net-UTT", "emonet_UTT", "my net-UTT")
    assert letters == tuple("AAVVVV")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["S,1,eGeMAPS_UTT,"], "eGeMAPS_UTT has the modality 'S'; A, T or V"),
        (
            ["A,1,eGeMAPS_UTT,", "A,1,vggish_UTT,"],
            "vggish_UTT has the rank '1'; expected are 1, 2, ..., each once in A",
        ),
        (["A,first,eGeMAPS_UTT,"], "eGeMAPS_UTT has the rank 'first'"),
        (["A,1,eGeMAPS,"], "feature 'eGeMAPS' does not end in -UTT"),
        (["A,1,eGeMAPS_UTT,", "V,1,eGeMAPS_UTT,"], "line 3: .*eGeMAPS_UTT"),
        ([], "no feature in it"),
    ],
)
def test_a_bad_csv_of_ranks(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        read_ranks(_ranks(tmp_path, *lines))


def test_what_a_combination_lacks(all_folders):
    ranks = Ranks(("eGeMAPS", "VGGish"), ("MacBERT-large",), ("my net", "EmoNet", "CLIP-large"))
    assert [lacking(n, "AV", all_folders, ranks) for n in (1, 2)] == ["", ""]
    assert lacking(2, "AT", all_folders, ranks) == "only 1 text feature ranked"
    assert lacking(3, "AVT", all_folders, ranks) == (
        "only 2 audio features ranked; only 1 text feature ranked; no folder my net-UTT"
    )
    (all_folders / "vggish_UTT").rename(all_folders / "vggish-UTT")  # either separator will do
    (all_folders / "emonet_UTT").rename(all_folders / "emonet_FRA")  # frames will not
    assert lacking(2, "AV", all_folders, ranks) == "no folder emonet_UTT"
