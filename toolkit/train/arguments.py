"""The command line of ``main-release.py``: every flag of the reference, checked together, with clear errors.

No torch here, so that ``--help`` and a wrong flag answer at once.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence

from toolkit.data.alignment import FEAT_SCALES
from toolkit.data.features import split_feature_name
from toolkit.dataloader.corpora import CORPORA, get_corpus
from toolkit.dataloader.cross import pair_corpus
from toolkit.dataloader.topn import GROUPS
from toolkit.models import MODELS, check_model
from toolkit.train.search import TRAINERS, resolve_trainer
from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import add_engine_flags, ray_options

SUFFIX_OF = {"utt": "UTT", "frm_align": "FRA", "frm_unalign": "FRA"}


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser; defaults are the reference's (SPEC 6)."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", help=f"corpus to train on: {', '.join(CORPORA)}, or one of your own")
    data.add_argument("--train_dataset", help="cross-corpus run: corpus to train on")
    data.add_argument("--test_dataset", help="cross-corpus run: corpus to test on")
    data.add_argument("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    data.add_argument("--train_snr", help="infix of the training features, e.g. noisesnr5 or snr5")
    data.add_argument("--test_snr", help="infix of the test features")
    data.add_argument("--snr_modalities", default="AVT", help="modalities the infix applies to, e.g. A (default AVT)")
    data.add_argument("--extra_train", metavar="CSV", help="pseudo-labelled samples (name,discrete) to train on, too")
    data.add_argument("--save_root", default="./saved", help="results go to <save_root>-<kind>/ (default ./saved)")
    data.add_argument("--debug", action="store_true", help="use the first 100 samples of each split only")
    data.add_argument("--savemodel", action="store_true", help="save the fold weights of this command's best run")
    data.add_argument("--save_iters", type=float, default=1e8, help="accepted for old scripts; has no effect")

    features = parser.add_argument_group("features")
    for modality in ("audio", "text", "video"):
        features.add_argument(f"--{modality}_feature", help="feature folder, e.g. eGeMAPS_UTT")
    features.add_argument("--feat_type", choices=list(FEAT_SCALES), help="utt, frm_align or frm_unalign")
    features.add_argument("--feat_scale", type=int, help="shorten sequences by this factor (default 1, 6 or 12)")
    features.add_argument("--fusion_topn", type=int, help="attention_topn: how many features per modality")
    features.add_argument("--fusion_modality", default="AVT", help="attention_topn: AVT, AV, AT or VT")
    features.add_argument("--rank_from", metavar="DIR", help="rank features by DIR/leaderboard.csv (unimodal runs)")
    features.add_argument(
        "--feature_modality",
        type=_modality_pairs,
        default=(),
        metavar="STEM=A,...",
        help="with --rank_from: A, T or V for features the toolkit does not know",
    )
    features.add_argument("--e2e_name", help="end-to-end backbone")
    features.add_argument("--e2e_dim", type=int, help="width of the end-to-end backbone")

    model = parser.add_argument_group("model and training")
    model.add_argument("--model", help=f"fusion model: {', '.join(MODELS)}")
    model.add_argument("--hyper_path", help="yaml that fixes hyper-parameters instead of drawing them")
    model.add_argument("--n_classes", type=int, help="number of emotions; must be the corpus' own")
    model.add_argument("--lr", type=float, help="learning rate (default: drawn)")
    model.add_argument("--lr_adjust", default="case1", help="case1: one learning rate")
    model.add_argument("--l2", type=float, default=1e-5, help="Adam's weight decay (default 1e-5)")
    model.add_argument("--batch_size", type=int, default=32)
    model.add_argument("--epochs", type=int, default=100)
    model.add_argument(
        "--no_shuffle", action="store_true", help="train in file order (the original: CMU*, SIMS*, MELD)"
    )
    model.add_argument("--num_workers", type=int, default=0, help="threads that read features (default 0)")
    model.add_argument("--print_iters", type=float, default=1e8, help="accepted for old scripts; has no effect")
    model.add_argument("--gpu", type=int, default=0, help="GPU index, -1 = CPU (default 0; CPU when there is none)")
    model.add_argument("--strict_gpu", action="store_true", help="stop when the GPU does not exist")
    model.add_argument("--seed", type=int, help="everything random follows from it (default: drawn, and recorded)")

    search = parser.add_argument_group("search")
    search.add_argument("--search", choices=("random", "grid"), default="random", help="random draws or every point")
    search.add_argument("--trials", type=int, default=1, help="random draws; trial i has seed --seed + i (default 1)")
    search.add_argument("--repeat_best", type=int, default=0, help="then R more runs of the best: mean and std")
    search.add_argument("--resume", action="store_true", help="skip runs that the leaderboard already has")
    search.add_argument(
        "--trainer", choices=TRAINERS, default="auto", help="population: all runs as one stack of models"
    )
    search.add_argument("--threads", type=int, help="CPU threads (default: 1 for the loop, all for a population)")
    search.add_argument(
        "--jobs", type=int, help="processes of the loop, a fold each (default: one per core; 1 on a GPU)"
    )
    search.add_argument("--memory_gb", type=float, help="memory for one stack (default: 4, or 70%% of the free GPU)")
    add_engine_flags(search)
    return parser


def _modality_pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(part.rsplit("=", 1)) for part in text.split(",") if part)
    if any(len(pair) != 2 or pair[1] not in ("A", "T", "V") for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text!r}: expected feature=A,feature=T,feature=V")
    return pairs


def parse(argv: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Parsed, completed (seed, feat_scale) and checked arguments.

    Raises:
        UserError: every problem found, one per line.
    """
    args = build_parser(description).parse_args(argv)
    problems = [*_problems(args)]
    if problems:
        raise UserError(problems[0] if len(problems) == 1 else "\n  - ".join(["several problems:", *problems]))
    completed = {
        "seed": secrets.randbelow(2**31) if args.seed is None else args.seed,
        "feat_scale": FEAT_SCALES[args.feat_type] if args.feat_scale is None else args.feat_scale,
        "trainer": resolve_trainer(args.trainer, args.feat_type),
    }
    if args.engine == "ray":
        completed |= {"gpu": -1, "strict_gpu": False}  # this process trains nothing
        completed |= {"gpus_per_worker": 0.0 if args.gpu < 0 else args.gpus_per_worker}
    return argparse.Namespace(**(vars(args) | completed))


def _problems(args: argparse.Namespace):
    """Everything wrong with the arguments that can be known without reading data."""
    yield from _corpus_problems(args)
    if args.e2e_name or args.e2e_dim:
        yield "--e2e_name/--e2e_dim: end-to-end training is not part of this toolkit; extract features instead"
    if args.lr_adjust != "case1":
        yield f"--lr_adjust {args.lr_adjust}: only case1 (one learning rate) applies to feature fusion"
    yield from _model_problems(args)
    if args.fusion_topn is not None:
        yield from _topn_problems(args)
    else:
        yield from _feature_problems(args)
    yield from _number_problems(args)


def _corpus_problems(args: argparse.Namespace):
    if bool(args.train_dataset) != bool(args.test_dataset):
        yield "--train_dataset and --test_dataset go together (a cross-corpus run)"
        return
    if args.train_dataset:
        if args.dataset:
            yield "--dataset does not go with --train_dataset/--test_dataset; give one or the other"
    elif not args.dataset:
        yield f"--dataset is missing; known: {', '.join(CORPORA)}"
        return
    try:
        if args.train_dataset:
            corpus = pair_corpus(args.train_dataset, args.test_dataset)
        else:
            corpus = get_corpus(args.dataset, args.data_root)
    except UserError as error:
        yield str(error)
        return
    if args.n_classes is not None and args.n_classes != corpus.outputs[0]:
        yield f"--n_classes {args.n_classes}: {corpus.name} has {corpus.outputs[0]} emotions; leave the flag out"
    if not set(args.snr_modalities) <= set("AVT"):
        yield f"--snr_modalities {args.snr_modalities}: letters of A, V, T"


def _number_problems(args: argparse.Namespace):
    least = {
        "batch_size": 1,
        "epochs": 1,
        "trials": 1,
        "repeat_best": 0,
        "num_workers": 0,
        "seed": 0,
        "threads": 1,
        "jobs": 1,
    }
    for flag, bound in least.items():
        value = getattr(args, flag)
        if value is not None and value < bound:
            yield f"--{flag} {value}: must be at least {bound}"
    if (args.jobs or 1) > 1 and (args.threads or 1) > 1:
        yield f"--jobs {args.jobs} --threads {args.threads}: processes of the loop have one thread each; leave one out"
    try:
        if ray_options(args.engine, args.ray_address, args.ray_workers, args.gpus_per_worker) and args.jobs is not None:
            yield f"--jobs {args.jobs}: with --engine ray, --ray_workers processes train; leave it out"
    except UserError as error:
        yield str(error)
    if args.resume and args.seed is None:
        yield "--resume needs --seed: without it every command draws another seed, and nothing could be continued"
    for flag in ("lr", "l2", "memory_gb"):
        value = getattr(args, flag)
        if value is not None and not (0 <= value < float("inf")):
            yield f"--{flag} {value}: must be a finite number, 0 or more"


def _topn_problems(args: argparse.Namespace):
    if args.model and args.model != "attention_topn":
        yield f"--fusion_topn goes with --model attention_topn, not {args.model}"
    if args.feat_type != "utt":
        yield "--fusion_topn needs --feat_type utt"
    if args.audio_feature or args.text_feature or args.video_feature:
        flags = "--audio_feature, --text_feature, --video_feature"
        yield f"--fusion_topn takes the features from the rank lists; leave out {flags}"
    if args.fusion_topn < 1:
        yield f"--fusion_topn {args.fusion_topn}: must be at least 1"
    if args.fusion_modality not in GROUPS:
        yield f"--fusion_modality {args.fusion_modality}: unknown; one of {', '.join(GROUPS)}"


def _model_problems(args: argparse.Namespace):
    if not args.model:
        yield f"--model is missing; known models: {', '.join(MODELS)}"
        return
    try:
        check_model(args.model, args.feat_type)
        if args.feat_type:
            resolve_trainer(args.trainer, args.feat_type)
    except UserError as error:
        yield str(error)


def _feature_problems(args: argparse.Namespace):
    given = {flag: getattr(args, flag) for flag in ("audio_feature", "text_feature", "video_feature")}
    if args.model == "attention_topn":
        yield "--model attention_topn needs --fusion_topn (1, 2, ...) and --fusion_modality"
        return
    missing = [f"--{flag}" for flag, feature in given.items() if not feature]
    if missing:
        yield f"{', '.join(missing)} missing; a unimodal run gives the same folder to all three feature flags"
    if not args.feat_type:
        choices = ", ".join(FEAT_SCALES)
        yield f"--feat_type is missing; one of {choices} (utt for ...UTT folders, frm_* for ...FRA folders)"
        return
    wanted = SUFFIX_OF[args.feat_type]
    for flag, feature in given.items():
        if not feature:
            continue
        try:
            suffix = split_feature_name(feature)[2]
        except UserError as error:
            yield f"--{flag}: {error}"
            continue
        if suffix != wanted:
            fix = "utt" if suffix == "UTT" else "frm_align or frm_unalign"
            need = f"--feat_type {args.feat_type} needs a ...{wanted} folder"
            yield f"--{flag} {feature}: {need} (or use --feat_type {fix})"
    if args.feat_scale is not None and (args.feat_scale < 1 or (args.feat_type == "utt" and args.feat_scale != 1)):
        yield f"--feat_scale {args.feat_scale}: must be at least 1, and 1 for utt"
