r"""Predict the emotion of video clips, or of clips whose features are there, with a model that main-release.py saved.

  python -u main-predict.py --model saved-trimodal --video clip.mp4
  python -u main-predict.py --model saved-trimodal/model/features:... --video clip1.mp4 clip2.mp4 folder --explain
  python -u main-predict.py --model saved-trimodal --video folder --transcript words.csv --keep_work work --output out
  python -u main-predict.py --model saved-trimodal --features mer2024-dataset-process/features --top_k 200 --per_class

--model is the folder that --savemodel wrote, or one above it that holds no other. Sound, faces, words and features are
made as for training (only what the model reads), in a temporary folder, or in --keep_work, from which a second call
goes on. The prediction is the mean of the folds' logits, then softmax.

What comes out, in --output (default predictions/), and as a table on the terminal:
  predictions.csv     name,discrete, a probability per emotion, valence if the model has one, --explain: weights
  predictions.json    the same with logits and notes
  pseudo-labels.csv   --top_k: name,discrete,confidence; main-release.py --extra_train trains on it
  failures.csv        clips that could not be predicted, and why (then the exit status is 1)
"""

from toolkit.predict.arguments import parse
from toolkit.utils.errors import run_main


def main(argv=None):
    args = parse(argv, __doc__)
    from toolkit.predict.run import predict  # torch is imported only now: --help and wrong flags answer at once

    def extract(args, description):
        from feature_extraction.predict_clips import extracted_clips  # not needed with --features

        return extracted_clips(args, description)

    return predict(args, extract)


if __name__ == "__main__":
    run_main(main)
