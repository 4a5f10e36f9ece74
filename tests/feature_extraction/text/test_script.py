"""The script: flags, transcripts and their variants, folders, counts, exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_extraction.text.extract_text_huggingface import main
from feature_extraction.text.transcripts import feature_stem
from toolkit.data.features import plain_stem
from toolkit.utils.errors import UserError

SCRIPT = Path(__file__).parents[3] / "feature_extraction/text/extract_text_huggingface.py"


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "mer2024-dataset-process"
    root.mkdir()
    text = 'name,chinese,english\n"a b.$x","今天天气真好",nice weather here\nb,,"my friend"\n\'c\',我,\n'
    (root / "transcription-merge.csv").write_text(text, encoding="utf-8")
    (root / "transcription-merge-case1.csv").write_text("name,chinese\nb,今天\n", encoding="utf-8")
    return root


def run(corpus, folder, *more: str) -> int:
    fixed = ["--dataset", "MER2024", "--data_root", str(corpus.parent), "--gpu", "-1"]
    return main([*fixed, "--model_name", "tiny", "--model_dir", str(folder), *more])


def test_folders_counts_and_manifest(corpus, tiny_folder, capsys):
    folder = tiny_folder("bert")
    assert run(corpus, folder) == 0
    out = capsys.readouterr().out
    assert "3 done, 0 already there, 0 failed" in out and "no transcript: zeros saved" in out
    features = corpus / "features/tiny-UTT"
    assert sorted(path.stem for path in features.glob("*.npy")) == ["'c'", "a b.$x", "b"]
    assert not np.load(features / "b.npy").any() and np.load(features / "a b.$x.npy").any()
    manifest = json.loads((features / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["width"], manifest["dtype"]) == (32, "float32")
    assert manifest["formula"] == "sum of the last 4 hidden states of the sentence's own tokens"
    assert manifest["model"]["fingerprint"].startswith("sha256:")
    assert run(corpus, folder) == 0 and "0 done, 3 already there" in capsys.readouterr().out
    with pytest.raises(UserError, match="dtype float32 \\(now bfloat16\\)"):
        run(corpus, folder, "--dtype", "bfloat16")


def test_language_and_punctuation_variants(corpus, tiny_folder):
    folder = tiny_folder("gpt2")
    assert run(corpus, folder, "--language", "english", "--feature_level", "FRAME") == 0
    assert len(np.load(corpus / "features/tiny-langeng-FRA/a b.$x.npy")) > 1
    assert run(corpus, folder, "--punc_case", "case1") == 0
    assert [path.name for path in (corpus / "features/tiny-punccase1-UTT").glob("*.npy")] == ["b.npy"]
    with pytest.raises(UserError, match=r"transcription-merge-case9.csv does not exist.*variants there: case1$"):
        run(corpus, folder, "--punc_case", "case9")


@pytest.mark.parametrize(
    ("language", "case", "stem"),
    [
        ("chinese", None, "m"),
        ("english", None, "m-langeng"),
        ("chinese", "case1", "m-punccase1"),
        ("english", "case2", "m-langeng-punccase2"),
    ],
)
def test_stem_and_back(language, case, stem):
    assert feature_stem("m", language, case) == stem
    assert plain_stem(stem) == "m"


def test_batch_tokens_one_sentence_at_a_time_is_the_same(corpus, tiny_folder, tmp_path):
    folder = tiny_folder("xlnet")
    assert run(corpus, folder, "--batch_tokens", "1") == 0
    alone = {path.name: np.load(path) for path in (corpus / "features/tiny-UTT").glob("*.npy")}
    assert run(corpus, folder, "--overwrite", "--batch_tokens", "4096") == 0
    for name, row in alone.items():
        assert np.abs(np.load(corpus / "features/tiny-UTT" / name) - row).max() <= 1e-4 * max(np.abs(row).max(), 1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,english\na,hi\n", "transcription-merge.csv: column chinese is missing; columns there: name, english"),
        (b"name,chinese\na,hi\nb,hi\na,ho\n", "line 4: name 'a' stands already in line 2"),
        ("name,chinese\na,今天\n".encode("gbk"), "transcription-merge.csv: not UTF-8 \\(byte 15\\)"),
        (b"name,chinese\n", "holds no rows"),
    ],
)
def test_transcripts_that_cannot_be_used(corpus, tiny_folder, content, message):
    (corpus / "transcription-merge.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        run(corpus, tiny_folder("bert"))


def test_missing_model_folder_says_where_to_get_it(corpus):
    command = [sys.executable, str(SCRIPT), "--dataset", "MER2024", "--data_root", str(corpus.parent)]
    done = subprocess.run([*command, "--model_name", "chinese-xlnet-base"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "chinese-xlnet-base holds no config.json; download the files of hfl/chinese-xlnet-base" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tokenizer_without_its_model(corpus, tiny_folder, tmp_path):
    (tmp_path / "half").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "half" / name).write_bytes((tiny_folder("bert") / name).read_bytes())
    with pytest.raises(UserError, match="half holds no config.json"):
        run(corpus, tmp_path / "half")
