"""Open-vocabulary scoring (MER-OV): how well predicted label lists match the true ones.

python main-ov.py main_metric --gt_csv ov_store/check-openset.csv --pred_csv ov_store/predict-openset.csv
python main-ov.py main_metric --gt_csv GT.csv --pred_csv PRED.csv --grouping wheel --out results --table
python main-ov.py main_metric --gt_csv GT.csv --pred_csv PRED.csv --grouping chatgpt --model MODEL --repeat 5
python main-ov.py main_metric --gt_csv GT.csv --pred_csv PRED.csv --base_url http://localhost:8000/v1 --model MODEL
python main-ov.py main_metric --gt_csv GT.csv --pred_csv PRED.csv --wheel_root emotion_wheel
python main-ov.py generate_openset_synonym_mer2024 --gt_csv GT.csv --pred_csv PRED.csv --save_root REPLIES
python main-ov.py calculate_openset_overlap_rate_mer2024 --gt_csv GT.csv --pred_csv PRED.csv --synonym_root REPLIES
python main-ov.py check --csv PRED.csv --gt_csv GT.csv
python main-ov.py compare --gt_csv GT.csv --pred_csvs a.csv,b.csv

A csv has the columns name and openset, a cell is a list in text: ['happy', 'surprised']. Saved replies of a chat model
(openset-synonym beside the true labels, a folder, a zip or both) are used and only missing ones are asked for; a
stopped run goes on where it was. Keys: export OPENAI_API_KEY=key (several with commas). Without key and replies the
embedded lexicon groups the labels. docs/openset.md explains the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.openset.commands import FUNCTIONS
from toolkit.utils.errors import run_main
from toolkit.utils.fire_table import run_fire


def main(argv: Sequence[str] | None = None) -> int:
    return run_fire(FUNCTIONS, argv, "main-ov.py", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
