"""The manifest: what it says, who may fill a folder, shards and resumed runs together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_extraction.contract import Extractor, Output, Sample, SampleError
from feature_extraction.fingerprint import fingerprint, hub_revision
from feature_extraction.manifest import Identity, claim_folder, complete_manifest, locked, read_manifest
from feature_extraction.save_loop import run_extraction
from feature_extraction.shards import Shard
from toolkit.utils.errors import UserError


def length(sample: Sample) -> int:
    if sample.text == "bad":
        raise SampleError("bad")
    return len(sample.text)


class Lengths(Extractor):
    modality = "text"
    formula = "length"

    def __init__(self, weights: Path | None = None, dtype: str = "float32", formula: str = "length") -> None:
        self.outputs = (Output("len", 2),)
        self.load = length
        self.weights, self.dtype, self.formula = weights, dtype, formula

    def extract(self, batch):
        return [(np.full((1, 2), value, np.float32),) for value in batch]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "some-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 20000)  # 5 MB
    return folder


SAMPLES = [Sample(f"clip {number}", text="x" * number) for number in range(9)]


def run(root: Path, samples=SAMPLES, level="UTTERANCE", overwrite=False, **settings):
    return run_extraction(Lengths(**settings), samples, root, level, progress=False, overwrite=overwrite)


def test_what_it_says(tmp_path, model):
    record = model / ".cache/huggingface/download/config.json.metadata"
    record.parent.mkdir(parents=True)
    record.write_text("0123456789abcdef0123456789abcdef01234567\netag\n1700000000.0\n")
    run(tmp_path / "f", [*SAMPLES, Sample("z", text="bad")], weights=model)
    manifest = read_manifest(tmp_path / "f/len-UTT")
    versions = manifest.pop("versions")
    assert versions["numpy"] == [np.__version__] and len(versions["torch"]) == 1
    assert manifest == {
        "feature": "len",
        "level": "UTTERANCE",
        "width": 2,
        "dtype": "float32",
        "formula": "length",
        "model": {
            "name": "some-model",
            "fingerprint": fingerprint(model),
            "revision": "0123456789abcdef0123456789abcdef01234567",
        },
        "counts": {"files": 9, "failed": 1},
        "failures": "failures.csv",
    }


def test_another_model_formula_or_dtype_is_refused(tmp_path, model):
    folder = tmp_path / "f/len-UTT"
    run(tmp_path / "f", SAMPLES[:3], weights=model)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for change, words in (
        ({"dtype": "bfloat16"}, r"made with dtype float32 \(now bfloat16\); .*--overwrite"),
        ({"formula": "other"}, r"formula length \(now other\)"),
    ):
        with pytest.raises(UserError, match=words):
            run(tmp_path / "f", **({"weights": model} | change))
    with (model / "model.safetensors").open("r+b") as file:
        file.write(b"another")
    with pytest.raises(UserError, match=r"holds 3 features made with model fingerprint sha256:.* \(now sha256:"):
        run(tmp_path / "f", weights=model)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_overwrite_leaves_no_mixture_even_when_it_is_killed(tmp_path):
    run(tmp_path / "f")
    report = run(tmp_path / "f", SAMPLES[:2], overwrite=True, formula="other")  # as if killed after two
    assert report.remarks == ["len-UTT: 9 features made with formula length (now other) were removed"]
    assert len(list((tmp_path / "f/len-UTT").glob("*.npy"))) == 2
    assert run(tmp_path / "f", formula="other").skipped == 2
    assert run(tmp_path / "f", overwrite=True, formula="other").remarks == []  # the same model: nothing is removed


def test_a_renamed_model_folder_is_the_same_model(tmp_path, model):
    run(tmp_path / "f", weights=model)
    assert run(tmp_path / "f", weights=model.rename(tmp_path / "renamed")).skipped == 9


def test_a_folder_without_manifest_is_kept_and_told(tmp_path):
    folder = tmp_path / "f/len-UTT"
    folder.mkdir(parents=True)
    np.save(folder / "clip 0.npy", np.zeros(2, np.float32))
    report = run(tmp_path / "f")
    told = [
        "len-UTT: 1 of its files were made without a manifest and are kept as they are; --overwrite removes all of it "
        "and extracts it again"
    ]
    assert report.skipped == 1 and report.remarks == told
    assert run(tmp_path / "f").remarks == told  # as long as they are there
    assert read_manifest(folder)["kept_without_manifest"] == 1
    np.save(folder / "clip 1.npy", np.ones(2, np.float32))
    report = run(tmp_path / "f", SAMPLES[2:3], overwrite=True)  # as if killed after one clip
    assert report.remarks == ["len-UTT: 9 features of unknown origin (made without a manifest) were removed"]
    assert [path.name for path in folder.glob("*.npy")] == ["clip 2.npy"]
    assert "kept_without_manifest" not in read_manifest(folder)
    assert run(tmp_path / "f").remarks == []


@pytest.mark.parametrize("text", [None, "{"])
def test_overwrite_removes_what_is_of_unknown_origin_before_anything_is_computed(tmp_path, text):
    run(tmp_path / "f")
    path = tmp_path / "f/len-UTT/manifest.json"
    path.unlink() if text is None else path.write_text(text)
    report = run(tmp_path / "f", SAMPLES[:2], overwrite=True)
    assert sorted(file.stem for file in path.parent.glob("*.npy")) == ["clip 0", "clip 1"]
    assert report.remarks == ["len-UTT: 9 features of unknown origin (made without a manifest) were removed"]


def test_kept_files_that_were_removed_by_hand_are_no_longer_counted(tmp_path):
    folder = tmp_path / "f/len-UTT"
    folder.mkdir(parents=True)
    for name in "abc":
        np.save(folder / f"{name}.npy", np.zeros(2, np.float32))
    run(tmp_path / "f", [])
    for name in "abc":
        (folder / f"{name}.npy").unlink()
    assert run(tmp_path / "f", []).remarks == [] and "kept_without_manifest" not in read_manifest(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, value) for name in ("feature", "level", "dtype", "formula") for value in (None, 3, ["x"], "\ud800")]
    + [("width", value) for value in ("2", None, True, -1, 2.0)]
    + [("model", value) for value in (None, "x", ["x"], {"name": 3})]
    + [("versions", value) for value in ("x", ["x"], {"numpy": "1"}, {"numpy": [1]}, {"numpy": None})]
    + [("counts", value) for value in (3, [1], {"failed": "1"}, {"files": -1})]
    + [("failures", 3), ("kept_without_manifest", "1"), ("kept_without_manifest", None)],
)
def test_fields_of_other_types_are_a_damage(tmp_path, field, value):
    run(tmp_path / "f", SAMPLES[:1])
    path = tmp_path / "f/len-UTT/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(UserError, match=f"{path}: not a manifest of this toolkit: {field} is not a.*give --overwrite"):
        run(tmp_path / "f", SAMPLES[:1])
    assert run(tmp_path / "f", SAMPLES[:1], overwrite=True).done == 1
    assert run(tmp_path / "f", SAMPLES[:1]).skipped == 1


def test_a_manifest_that_says_nothing_is_a_damage(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="feature is missing"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "\xff"])
def test_a_damaged_manifest_is_named(tmp_path, text):
    run(tmp_path / "f")
    path = tmp_path / "f/len-UTT/manifest.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"{path}: not a .*; remove it to keep"):
        run(tmp_path / "f")
    run(tmp_path / "f", overwrite=True)
    assert read_manifest(path.parent)["counts"]["files"] == 9


def test_shards_and_resumes_merge(tmp_path):
    samples = [*SAMPLES, Sample("y", text="bad"), Sample("z", text="bad")]
    for index in (1, 2, 3):
        run(tmp_path / "shards", Shard(index, 3).select(samples))
    run(tmp_path / "whole", samples)
    names = ("manifest.json", "failures.csv")
    for name in names:
        assert (tmp_path / "shards/len-UTT" / name).read_text() == (tmp_path / "whole/len-UTT" / name).read_text()


def test_versions_of_earlier_runs_stay(tmp_path):
    identity = Identity("x", "FRAME", 1, "float32")
    claim_folder(tmp_path, identity, False)
    manifest = read_manifest(tmp_path)
    manifest["versions"]["numpy"] = ["1.0"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    complete_manifest(tmp_path, identity, 0)
    assert read_manifest(tmp_path)["versions"]["numpy"] == ["1.0", np.__version__]


def test_the_lock_keeps_other_processes_out(tmp_path):
    code = (
        "import sys, pathlib\n"
        "from feature_extraction.manifest import locked\n"
        "print('waiting', flush=True)\n"
        "with locked(pathlib.Path(sys.argv[1])): print(pathlib.Path(sys.argv[1], 'x').read_text())\n"
    )
    with locked(tmp_path):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "waiting\n"
        (tmp_path / "x").write_text("written inside the lock")
    assert process.communicate(timeout=60)[0] == "written inside the lock\n"


def test_fingerprints_see_size_start_middle_end_and_name(tmp_path, model):
    seen = {fingerprint(model)}
    path = model / "model.safetensors"
    whole = path.read_bytes()
    for position in (0, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        seen.add(fingerprint(model))
    path.write_bytes(whole + b"\0")
    seen.add(fingerprint(model))
    path.write_bytes(whole)
    for name in ("README.md", "training_args.bin", "model.onnx", "pytorch_model.bin", "tf_model.h5", "vocab.txt"):
        (model / name).write_text("does not count")
    assert len(seen) == 5 and fingerprint(model) in seen
    assert fingerprint(path) != fingerprint(model)
    assert fingerprint(tmp_path / "nothing") == "" and hub_revision(model) == ""


def test_fingerprints_of_text_models_see_tokenizer_and_own_code(model):
    seen = {fingerprint(model, tokenizer=True)}
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "spiece.model"):
        (model / name).write_text("{}")
        seen.add(fingerprint(model, tokenizer=True))
    (model / "modeling.py").write_text("")
    assert fingerprint(model, tokenizer=True) in seen  # nothing refers to it
    (model / "config.json").write_text('{"auto_map": {}}')
    seen.add(fingerprint(model, tokenizer=True))
    (model / "modeling.py").write_text("changed")
    seen.add(fingerprint(model, tokenizer=True))
    assert len(seen) == 7


def test_fingerprints_see_the_parts_that_an_index_names(model):
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    (model / "model-2.safetensors").write_text("2")
    other = fingerprint(model)  # no file of transformers: every checkpoint counts
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    seen = {other, fingerprint(model)}
    (model / "model-3.safetensors").write_text("not named")
    (model / "pytorch_model.bin").write_text("not read")
    assert fingerprint(model) in seen
    (model / "model-2.safetensors").write_text("3")
    seen.add(fingerprint(model))
    (model / "model.safetensors.index.json").write_text(json.dumps(index | {"metadata": 1}))
    seen.add(fingerprint(model))
    assert len(seen) == 4
