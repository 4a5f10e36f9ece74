"""``--check``: load a model by running its extraction script on a synthetic sample, and compare the width it gives.

Each model runs in a process of its own, so that one that crashes or fills the memory does not stop the others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_extraction.feature_table import FEATURES, FeatureRow
from toolkit.data.features import split_feature_name
from toolkit.globals import PATH_TO_PRETRAINED_MODELS, PATH_TO_REPOSITORY, corpus_paths
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv

DATASET = "MER2024"
NAME = "synthetic"
SECONDS, RATE = 1.0, 16000
WORDS_SHOWN = 300  # characters of an error


@dataclass(frozen=True)
class Check:
    """What came of one model: `ok`, and one line for the user."""

    stem: str
    ok: bool
    message: str


def check_models(stems: Sequence[str], gpu: int = -1, tools: Path = PATH_TO_PRETRAINED_MODELS) -> list[Check]:
    """Check the features `stems`; none given: all whose weights are present.

    Raises:
        UserError: a name is neither in the registry nor a folder below tools/transformers/.
    """
    rows = [registry_row(stem, tools) for stem in stems]
    if not rows:
        rows = [row for row in FEATURES if row.script and row.present(tools)]
    return [check_model(row, gpu) for row in rows]


def check_model(row: FeatureRow, gpu: int = -1) -> Check:
    """Extract one synthetic sample with the row's script; the width must be the registry's."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_corpus(root)
        script, *arguments = row.command
        command = [sys.executable, str(PATH_TO_REPOSITORY / script), *arguments]
        command += ["--dataset", DATASET, "--data_root", str(root), "--gpu", str(gpu)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            return Check(row.stem, False, _words(done.stdout, done.stderr))
        folders = sorted(corpus_paths(DATASET, root).features.glob(f"*/{NAME}.npy"))
        widths = {split_feature_name(path.parent.name)[0]: np.load(path).shape[-1] for path in folders}
    width = widths.get(row.stem)
    if width is None:
        return Check(row.stem, False, f"wrote {', '.join(widths) or 'nothing'}, but no folder of this name")
    if row.width and width != row.width:
        return Check(row.stem, False, f"gives {width} values, the registry says {row.width}: it is another model")
    return Check(row.stem, True, f"{width} values")


def write_corpus(root: Path) -> None:
    """One clip with sound (a tone in noise), a transcript in both languages, and eight grey faces."""
    paths = corpus_paths(DATASET, root)
    for folder in (paths.audio, paths.face / NAME):
        folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    time = np.arange(int(SECONDS * RATE)) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 220 * time) + 0.01 * generator.standard_normal(len(time))
    with wave.open(str(paths.audio / f"{NAME}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((32767 * sound).astype("<i2").tobytes())
    write_csv(paths.transcript, ("name", "chinese", "english"), [(NAME, "今天天气真好", "the weather is nice today")])
    np.save(paths.face / NAME / f"{NAME}.npy", generator.integers(0, 256, (8, 112, 112, 3)).astype(np.uint8))


def print_checks(checks: Sequence[Check]) -> int:
    """One line per model; the exit status, 1 when any failed."""
    longest = max((len(check.stem) for check in checks), default=0)
    for check in checks:
        print(f"{'ok    ' if check.ok else 'FAILED'}  {check.stem:{longest}}  {check.message}", flush=True)
    if not checks:
        print(f"nothing to check: no model below {PATH_TO_PRETRAINED_MODELS}")
    return 0 if all(check.ok for check in checks) else 1


def registry_row(stem: str, tools: Path) -> FeatureRow:
    for row in FEATURES:
        if row.stem == stem:
            if not row.script:
                raise UserError(f"{stem}: this toolkit has no extraction script for it")
            return row
    folder = tools / "transformers" / stem
    if not (folder / "config.json").is_file():
        raise UserError(f"{stem!r} is not in the registry, and {folder} holds no config.json")
    text = (folder / "config.json").read_text(encoding="utf-8", errors="replace")
    speech = '"conv_kernel"' in text or '"whisper"' in text
    modality = "audio" if speech else ("visual" if '"image_size"' in text else "text")
    script = f"{modality}/extract_{modality}_huggingface.py"
    return FeatureRow(stem, modality, 0, "your own", f"transformers/{stem}", script=script)


def _words(out: str, err: str) -> str:
    """The line of a failed run that says why."""
    lines = [line.strip() for line in (*out.splitlines(), *err.splitlines()) if line.strip()]
    telling = [line for line in lines if line.startswith(("error: ", "failed: "))]
    text = (telling or lines or ["no message"])[-1]
    return text if len(text) <= WORDS_SHOWN else text[:WORDS_SHOWN] + " ..."
