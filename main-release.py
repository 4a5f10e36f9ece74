r"""Train a fusion model with 5-fold cross-validation and write predictions for the test sets.

One run draws one set of hyper-parameters (toolkit/model-tune.yaml); run it 50 times, or give --trials 50.

Unimodal (the same folder three times), utterance level:
  python -u main-release.py --model attention --feat_type utt --dataset MER2024 \
      --audio_feature eGeMAPS_UTT --text_feature eGeMAPS_UTT --video_feature eGeMAPS_UTT --gpu 0

Trimodal:
  python -u main-release.py --model attention --feat_type utt --dataset MER2024 \
      --audio_feature chinese-hubert-large-UTT --text_feature chinese-macbert-large-UTT \
      --video_feature clip-vit-large-patch14-UTT --trials 50 --seed 1 --gpu 0

What comes out, below <save_root>-{unimodal,bimodal,trimodal}/:
  leaderboard.csv                       one row per run: scores, hyper-parameters, seed, versions, files
  result/cv_features:...npz             out-of-fold predictions of the training samples
  result/test1_features:...npz          predictions of the test samples (emo_probs = logits, emo_softmax, names)
  result/submission_test1_features:...csv   name,discrete
  model/features:.../                   with --savemodel: the best run's fold weights
"""

from toolkit.train.arguments import parse
from toolkit.utils.errors import run_main


def main(argv=None):
    args = parse(argv, __doc__)
    from toolkit.train.run import train  # torch is imported only now: --help and wrong flags answer at once

    return train(args)


if __name__ == "__main__":
    run_main(main)
