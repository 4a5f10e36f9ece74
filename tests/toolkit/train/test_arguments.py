"""The command line: defaults of the reference, and every problem named at once."""

import pytest

from toolkit.train.arguments import parse
from toolkit.utils.errors import UserError


def test_defaults_are_the_reference_ones(release_args):
    args = parse(release_args(save_root=None, epochs=None, seed=None, gpu=None), None)
    assert (args.save_root, args.l2, args.batch_size, args.epochs) == ("./saved", 1e-5, 32, 100)
    assert (args.fusion_modality, args.gpu, args.feat_scale) == ("AVT", 0, 1)
    assert 0 <= args.seed < 2**31


def test_a_drawn_seed_differs_from_run_to_run(release_args):
    seeds = {parse(release_args(seed=None), None).seed for _ in range(5)}
    assert len(seeds) > 1


@pytest.mark.parametrize(("feat_type", "scale"), [("frm_align", 6), ("frm_unalign", 12)])
def test_frame_types_have_their_scale(release_args, feat_type, scale):
    frames = {f"{modality}_feature": "aud-FRA" for modality in ("audio", "text", "video")}
    assert parse(release_args(feat_type=feat_type, **frames), None).feat_scale == scale


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feat_type": None}, "--feat_type is missing; one of utt, frm_align, frm_unalign"),
        ({"audio_feature": "aud-FRA"}, r"--audio_feature aud-FRA: --feat_type utt needs a \.\.\.UTT folder"),
        ({"feat_type": "frm_align"}, r"needs a \.\.\.FRA folder \(or use --feat_type utt\)"),
        ({"model": "atention"}, "--model atention: unknown; known models: attention, attention_topn, lf_dnn"),
        ({"model": None}, "--model is missing"),
        ({"dataset": "MER2042"}, "--dataset MER2042: cannot be trained on; known: MER2024"),
        ({"text_feature": None}, "--text_feature missing; a unimodal run gives the same folder"),
        ({"text_feature": "txt"}, "--text_feature: feature 'txt' does not end in"),
        ({"epochs": 0}, "--epochs 0: must be at least 1"),
        ({"lr": "nan"}, "--lr nan: must be a finite number"),
        ({"n_classes": 5}, "--n_classes 5: MER2024 has 6 emotions"),
        ({"train_dataset": "MELD"}, "--train_dataset and --test_dataset go together"),
        ({"train_dataset": "MELD", "test_dataset": "SIMS"}, "--dataset does not go with"),
        ({"fusion_topn": 2}, "--fusion_topn goes with --model attention_topn"),
        ({"model": "attention_topn"}, "--model attention_topn needs --fusion_topn"),
        ({"model": "mfn"}, "--model mfn does not take --feat_type utt; it takes frm_align"),
        ({"snr_modalities": "AX"}, "--snr_modalities AX: letters of A, V, T"),
        ({"memory_gb": -1}, "--memory_gb -1.0: must be a finite number"),
        ({"feat_scale": 2}, "--feat_scale 2: must be at least 1, and 1 for utt"),
        ({"lr_adjust": "case2"}, "only case1"),
        ({"e2e_name": "bert"}, "end-to-end training is not part of this toolkit"),
    ],
)
def test_a_problem_is_named_with_its_fix(release_args, changes, message):
    with pytest.raises(UserError, match=message):
        parse(release_args(**changes), None)


def test_all_problems_are_shown_at_once(release_args):
    with pytest.raises(UserError) as error:
        parse(release_args(model="x", dataset="y", epochs=-1), None)
    assert all(word in str(error.value) for word in ("--model x", "--dataset y", "--epochs -1"))
