"""wav2vec 1.0 large: reference vectors, fairseq's checkpoint format, batches of equal lengths, short and long clips."""

from __future__ import annotations

import argparse
import pickle
import sys
import types

import numpy as np
import pytest
import soundfile
import torch

from feature_extraction.audio.extract_wav2vec_embedding import main
from feature_extraction.audio.wav2vec_extractor import (
    WIDTH,
    Wav2VecExtractor,
    WaveLoad,
    equal_lengths,
    find_checkpoint,
)
from feature_extraction.audio.wav2vec_network import Wav2VecLarge, load_wav2vec
from feature_extraction.contract import Sample, SampleError
from feature_extraction.notes import collected_notes
from toolkit.utils.errors import UserError

RATE = 16000
UNUSED = {"wav2vec_predictions.project_to_steps.weight", "wav2vec_predictions.project_to_steps.bias"}


def fairseq_settings(golden) -> argparse.Namespace:
    settings = golden.json("wav2vec_large.json")["settings"]
    return argparse.Namespace(
        conv_feature_layers=settings["conv_feature_layers"],
        conv_aggregator_layers=settings["conv_aggregator_layers"],
        arch="wav2vec",
    )


@pytest.fixture(scope="module")
def fill(golden_module):
    return golden_module.fill


@pytest.fixture(scope="session")
def golden_module(golden):
    """tests/golden/fill.py, imported by its path."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("golden_fill", golden.folder / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkpoint(golden, fill, tmp_path_factory):
    """A file as fairseq 0.x wrote them: the old torch format, settings in a Namespace, meters of its own classes."""
    meters = types.ModuleType("fairseq.meters")
    meter = type("AverageMeter", (), {"__module__": "fairseq.meters"})
    meters.AverageMeter = meter
    kept = {name: sys.modules.get(name) for name in ("fairseq", "fairseq.meters")}
    sys.modules.update({"fairseq": types.ModuleType("fairseq"), "fairseq.meters": meters})
    loss = meter()
    loss.sum, loss.count = 1.5, 3
    state = golden.json("wav2vec_large.json")["state"]
    content = {
        "args": fairseq_settings(golden),
        "model": {key: torch.from_numpy(np.asarray(fill(key, shape))) for key, shape in state.items()},
        "optimizer_history": [{"criterion_name": "BinaryCrossEntropyCriterion", "num_updates": 4}],
        "extra_state": {"epoch": 2, "train_meters": {"train_loss": loss}, "val_loss": 1.25},
    }
    path = tmp_path_factory.mktemp("wav2vec") / "wav2vec_large.pt"
    try:
        torch.save(content, path, _use_new_zipfile_serialization=False)
    finally:
        for name, module in kept.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    yield path
    path.unlink()  # 138 MB, which pytest would keep for three sessions


@pytest.fixture(scope="module")
def extractor(checkpoint) -> Wav2VecExtractor:
    made = Wav2VecExtractor(checkpoint, torch.device("cpu"))
    made.prepare()
    return made


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_keys_are_those_of_the_checkpoint(golden):
    with torch.device("meta"):
        state = Wav2VecLarge().state_dict()
    expected = {key: tuple(shape) for key, shape in golden.json("wav2vec_large.json")["state"].items()}
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: shape for key, shape in expected.items() if key not in UNUSED
    }


def test_golden_vectors(golden, golden_module, checkpoint):
    wave = 0.1 * golden_module.inputs("wav2vec_large.input", (1, 16000))
    with torch.inference_mode():
        outputs = dict(zip("zc", load_wav2vec(checkpoint)(torch.from_numpy(wave)), strict=True))
    expected = golden.npz("wav2vec_large.npz")
    for name, rows in outputs.items():
        rows = rows[0].numpy()
        assert rows.shape == (98, WIDTH)
        for found, key in ((rows.mean(axis=0), f"{name}_mean"), (rows[-5:].T, f"{name}_last5")):
            assert np.abs(found - expected[key]).max() < 1e-4 * np.abs(expected[key]).max()


def test_batches_equal_one_at_a_time(extractor):
    """Lengths that differ by one sample must not share a batch: every layer is normalised over the whole clip."""
    waves = [noise(8000, 1), noise(8001, 2), noise(8000, 3), noise(465, 4), noise(20000, 5), noise(465, 6)]
    single = [extractor.extract([wave])[0] for wave in waves]
    assert [len(z) for z, _ in single] == [48, 48, 48, 1, 123, 1]
    for one, many in zip(single, extractor.extract(waves), strict=True):
        for expected, found in zip(one, many, strict=True):
            assert found.shape == expected.shape and found.dtype == np.float32
            assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
            means = expected.mean(axis=0), found.mean(axis=0)
            assert np.abs(means[0] - means[1]).max() < 1e-4 * np.abs(means[0]).max()
    padded = extractor.extract([np.pad(waves[0], (0, 1600))])[0][0]
    assert np.abs(padded[:48] - single[0][0]).max() > 1e-3 * np.abs(padded).max()  # why nothing is padded


def test_groups_hold_one_length_and_a_minute_of_sound():
    waves = [np.zeros(n) for n in (160000, 500, 160000, 500, 160000, 160000, 160000, 160000, 160000, 2000000)]
    assert equal_lengths(waves) == [[0, 2, 4, 5, 6, 7], [8], [1, 3], [9]]  # 6 x 10 s; 125 s alone


def test_short_clips_get_zeros_and_long_ones_are_refused(tmp_path):
    for name, samples in (("short", 464), ("enough", 465), ("limit", 16000), ("long", 16001), ("hours", 70000)):
        soundfile.write(tmp_path / f"{name}.wav", noise(samples), RATE, subtype="FLOAT")
    load = WaveLoad(max_seconds=1.0)
    with collected_notes() as notes:
        wave = load(Sample("short", tmp_path / "short.wav"))
    assert np.array_equal(wave, np.append(noise(464), np.float32(0))) and len(notes) == 1 and "zeros added" in notes[0]
    for name, samples in (("enough", 465), ("limit", 16000)):
        with collected_notes() as notes:
            assert np.array_equal(load(Sample(name, tmp_path / f"{name}.wav")), noise(samples))
        assert notes == []
    for name in ("long", "hours"):
        with pytest.raises(SampleError, match=rf"{name}\.wav: longer than 1 s; .* --max_seconds"):
            load(Sample(name, tmp_path / f"{name}.wav"))
    assert pickle.loads(pickle.dumps(load)) == load


def test_bad_checkpoints_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.pt does not exist; put wav2vec_large\.pt of fairseq"):
        find_checkpoint(tmp_path / "nowhere.pt")
    path = tmp_path / "other.pt"
    torch.save({"args": argparse.Namespace(), "model": {"encoder.weight": torch.zeros(2)}}, path)
    with pytest.raises(
        UserError, match=r"other\.pt: not the weights of Wav2VecLarge: .*conv_layers\.0\.0\.weight is m"
    ):
        load_wav2vec(path)
    torch.save({"model": {}, "extra": print}, path)  # a function: could be any
    with pytest.raises(UserError, match=r"other\.pt: holds print, which could run code; not opened"):
        load_wav2vec(path)


def test_script_writes_two_folders(checkpoint, extractor, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    (root / "audio").mkdir(parents=True)
    soundfile.write(root / "audio/a b.$x.wav", noise(8000), RATE, subtype="FLOAT")
    soundfile.write(root / "audio/silent.wav", np.zeros(RATE, np.int16), RATE)
    (root / "audio/text.wav").write_text("no sound")
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--checkpoint", str(checkpoint)]
    assert main([*arguments, "--feature_level", "FRAME"]) == 1
    assert "2 done" in (printed := capsys.readouterr().out) and "failed: text: " in printed
    expected = extractor.extract([noise(8000)])[0]
    for name, rows in zip("zc", expected, strict=True):
        saved = np.load(root / f"features/wav2vec-large-{name}-FRA/a b.$x.npy")
        assert saved.shape == (48, 512) and np.abs(saved - rows).max() < 1e-4 * np.abs(rows).max()
        assert np.isfinite(np.load(root / f"features/wav2vec-large-{name}-FRA/silent.npy")).all()


def test_equals_fairseq_itself(golden, fill):
    fairseq = pytest.importorskip("fairseq.models.wav2vec", reason="the extra fairseq is not installed")
    settings = fairseq.Wav2VecConfig(
        conv_feature_layers=fairseq_settings(golden).conv_feature_layers,
        conv_aggregator_layers=fairseq_settings(golden).conv_aggregator_layers,
        skip_connections_agg=True,
        log_compression=True,
        residual_scale=0.5,
    )
    theirs = fairseq.Wav2VecModel.build_model(settings, task=None).eval()
    ours = Wav2VecLarge().eval()
    for network in (theirs, ours):
        state = {
            key: torch.from_numpy(np.asarray(fill(key, value.shape))) for key, value in network.state_dict().items()
        }
        network.load_state_dict(state)
    wave = torch.from_numpy(np.stack([noise(9000, 1), noise(9000, 2)]))
    with torch.no_grad():
        z = theirs.feature_extractor(wave)
        expected = z.transpose(1, 2), theirs.feature_aggregator(z).transpose(1, 2)
        found = ours(wave)
    for one, other in zip(expected, found, strict=True):
        assert (one - other).abs().max() < 1e-4 * one.abs().max()
