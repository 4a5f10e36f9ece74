"""The registry's commands: the table of features, the scripts that extract them, a check of the models, a download.

python -m feature_extraction.registry [--modality audio|text|visual] [--present] [--commands [STEM ...]]
python -m feature_extraction.registry --check [NAME ...] [--gpu N]
python -m feature_extraction.registry --download NAME
"""

from __future__ import annotations

import argparse
import sys

from feature_extraction.cli import gpu_index
from feature_extraction.feature_table import FEATURES, FeatureRow
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError, run_main


def _chosen(rows: list[FeatureRow], stems: list[str]) -> list[FeatureRow]:
    """The rows named `stems` (all when empty).

    Raises:
        UserError: an unknown name, one without a script, or nothing to extract.
    """
    known = {row.stem: row for row in rows}
    unknown = [stem for stem in stems if stem not in known or not known[stem].script]
    if unknown:
        listed = ", ".join(stem for stem, row in known.items() if row.script)
        raise UserError(f"no extraction script here for {', '.join(unknown)}; there is one for {listed}")
    if not rows:
        raise UserError(f"no model below {PATH_TO_PRETRAINED_MODELS}; put one there (see `./run-mer2024.sh models`)")
    return [known[stem] for stem in stems] or rows


def main(argv: list[str] | None = None) -> int:
    """Print the table of features, their commands, or what a check of their models says."""
    parser = argparse.ArgumentParser(description="Every known feature: folder, width, source, present or not.")
    parser.add_argument("--modality", choices=("audio", "text", "visual"))
    parser.add_argument("--present", action="store_true", help="only those that can be extracted now")
    parser.add_argument("--commands", nargs="*", metavar="STEM", help="print extraction commands (of these features)")
    parser.add_argument("--check", nargs="*", metavar="NAME", help="load these models (default: all that are present)")
    parser.add_argument("--download", metavar="NAME", help="fetch a model from the Hugging Face hub")
    parser.add_argument("--gpu", type=gpu_index, default=-1, help="for --check: GPU index (default -1 = CPU)")
    args = parser.parse_args(argv)
    if args.download is not None:
        from feature_extraction.hub_download import download

        print(download(args.download))
        return 0
    if args.check is not None:
        from feature_extraction.model_check import check_models, print_checks

        return print_checks(check_models(args.check, args.gpu))
    rows = [row for row in FEATURES if args.modality in (None, row.modality)]
    if args.present or args.commands == []:
        rows = [row for row in rows if row.script and row.present()]
    if args.commands is not None:
        commands = [" ".join(row.command) for row in _chosen(rows, args.commands)]
        print(*dict.fromkeys(commands), sep="\n")  # one script may write several features
        return 0
    table = [("FOLDER", "NAME", "MODALITY", "WIDTH", "SOURCE", "WEIGHTS", "SCRIPT")]
    for row in rows:
        width = str(row.width) if row.frame_width is None else f"{row.width}/{row.frame_width}"
        weights = "package" if not row.weights else ("present" if row.present() else "missing") + f": {row.weights}"
        script = row.script or "(extract elsewhere)"
        table.append((row.folder, row.display, row.modality, width, row.source, weights, script))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"\n{len(rows)} features; weights are looked for below {PATH_TO_PRETRAINED_MODELS}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    run_main(main)
