"""Flags of all extraction scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feature_extraction.audio.extract_wav2vec_embedding import main as wav2vec_main
from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.shards import Shard
from toolkit.utils.errors import UserError

DATASET = ["--dataset", "MER2024"]


class Names(Extractor):
    modality = "audio"
    outputs = (Output("vggish", 1),)
    formula = "none"

    def __init__(self, modality: str = "audio") -> None:
        self.modality = modality
        self.load = str

    def extract(self, batch):
        return [(np.ones((1, 1), np.float32),) for _ in batch]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("audio", "audio_snr5", "audio-tts" + "eng16k"):
        (tmp_path / "mer2024-dataset-process" / folder).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "mer2024-dataset-process" / folder / f"{folder} {number}.wav").touch()
    return tmp_path


def run(root: Path, *flags: str, modality: str = "audio", samples=None) -> int:
    args = extraction_parser("x").parse_args([*DATASET, "--data_root", str(root), *flags])
    return run_extractor(args, lambda: Names(modality), samples=samples)


def written(root: Path) -> dict[str, list[str]]:
    features = root / "mer2024-dataset-process/features"
    return {folder.name: sorted(path.stem for path in folder.glob("*.npy")) for folder in features.iterdir()}


def test_conditions_read_and_write_their_own_folders(root, capsys):
    assert run(root) == run(root, "--noise_case", "snr5") == run(root, "--tts_lang", "eng") == 0
    assert {name: files[0] for name, files in written(root).items()} == {
        "vggish_UTT": "audio 0",
        "vggish_noisesnr5_UTT": "audio_snr5 0",
        "vggish_ttseng_UTT": "audio-ttseng16k 0",
    }
    assert "6 done, 0 already there, 0 failed" in capsys.readouterr().out


def test_shards_and_limit(root, capsys):
    for index in "123":
        run(root, "--shard", f"{index}/3")
    assert len(written(root)["vggish_UTT"]) == 6
    run(root, "--noise_case", "snr5", "--limit", "4")
    assert len(written(root)["vggish_noisesnr5_UTT"]) == 4


def test_the_dtype_of_the_command_line_is_in_the_manifest(root):
    run(root, "--dtype", "bfloat16")
    manifest = json.loads((root / "mer2024-dataset-process/features/vggish_UTT/manifest.json").read_text())
    assert manifest["dtype"] == "bfloat16" and manifest["formula"] == "none" and manifest["counts"]["files"] == 6
    with pytest.raises(UserError, match=r"dtype bfloat16 \(now float32\)"):
        run(root)


def test_samples_of_the_script_replace_the_corpus(root):
    run(root, "--limit", "1", samples=[Sample("a"), Sample("b")])
    assert written(root) == {"vggish_UTT": ["a"]}


def test_conditions_of_sound_are_refused_elsewhere(root):
    with pytest.raises(UserError, match="are for audio features, not for text"):
        run(root, "--noise_case", "snr5", modality="text", samples=[Sample("a")])


@pytest.mark.parametrize(
    "flags",
    [
        ["--shard", "0/2"],
        ["--batch_seconds", "0"],
        ["--batch_seconds", "nan"],
        ["--batch_tokens", "-1"],
        ["--num_procs", "0"],
        ["--noise_case", "a/b"],
        ["--tts_lang", "fr"],
        ["--dtype", "int8"],
    ],
)
def test_bad_values_are_refused(flags, capsys):
    with pytest.raises(SystemExit):
        extraction_parser("x").parse_args([*DATASET, *flags])
    assert flags[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--shard", "1/0", "'1/0': there must be at least 1 part, for example 1/1 or 3/8"),
        ("--shard", "0/0", "'0/0': there must be at least 1 part, for example 1/1 or 3/8"),
        ("--shard", "3/2", "'3/2': shards count from 1, so give 1/2 to 2/2"),
        ("--limit", "x", "'x' is not a whole number of at least 1"),
        ("--limit", "0", "'0' is not a whole number of at least 1"),
        ("--num_workers", "-1", "'-1' is not a whole number of at least 0"),
        ("--batch_seconds", "x", "'x' is not a number above 0"),
        ("--gpu", "-2", "'-2' is not the index of a GPU (0, 1, ...), or -1 for the CPU"),
        ("--gpu", "cpu", "'cpu' is not the index of a GPU (0, 1, ...), or -1 for the CPU"),
    ],
)
def test_bad_values_are_explained(flag, value, words, capsys):
    with pytest.raises(SystemExit):
        extraction_parser("x").parse_args([*DATASET, f"{flag}={value}"])
    assert capsys.readouterr().err.endswith(f"argument {flag}: {words}\n")


@pytest.mark.parametrize("value", ["nan", "-1", "0", "inf", "ten"])
def test_seconds_are_a_number_above_0(value, capsys):
    with pytest.raises(SystemExit):
        wav2vec_main([*DATASET, f"--max_seconds={value}"])
    assert f"argument --max_seconds: {value!r} is not a number above 0" in capsys.readouterr().err


def test_a_condition_without_its_folder_says_where_it_comes_from(root):
    with pytest.raises(UserError) as error:
        run(root, "--noise_case", "snr7")
    audio = root / "mer2024-dataset-process/audio"
    assert str(error.value) == (
        f"{audio}_snr7 does not exist: --noise_case snr7 reads noisy sound from it; make it with `python main-noise.py "
        f"add_noise_multiprocess {audio} --choice_snrs 7` (which writes audio_snr7); noise cases there: snr5"
    )
    with pytest.raises(UserError, match="audio-ttschi16k does not exist: --tts_lang reads synthetic speech from it"):
        run(root, "--tts_lang", "chi")


def test_defaults_and_what_belongs_to_a_modality():
    args = vars(extraction_parser("x", batch_size=3).parse_args(DATASET))
    assert args["shard"] == Shard(1, 1) and args["dtype"] == "float32" and args["batch_size"] == 3
    assert args["num_workers"] is None and args["num_procs"] is None and args["batch_seconds"] is None
    audio = vars(extraction_parser("x", modality="audio").parse_args(DATASET))
    text = vars(extraction_parser("x", modality="text").parse_args(DATASET))
    visual = vars(extraction_parser("x", modality="visual").parse_args(DATASET))
    assert set(args) - set(audio) == {"batch_tokens"}
    assert set(args) - set(text) == {"batch_seconds", "noise_case", "tts_lang"}
    assert set(args) - set(visual) == {"batch_seconds", "batch_tokens", "noise_case", "tts_lang"}
