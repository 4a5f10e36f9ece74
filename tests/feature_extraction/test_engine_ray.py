"""Extraction on Ray: the files of the engine `local`, whatever dies on the way, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from feature_extraction.audio.handcrafted_feature_extractor import main as handcrafted_main
from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.manifest import LOCK_FILE
from feature_extraction.text.extract_text_huggingface import main as text_main
from toolkit.utils.errors import UserError
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions

# Not imported here: the engine sets what ray reads when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (extra distributed)")
REPOSITORY = Path(__file__).resolve().parents[2]
RAY = ("--engine", "ray", "--ray_workers", "2")
TEXTS = ("a b", "short", "it's $HOME, isn't it?", "", "the very last words of a long sentence that says nothing", "x")


@pytest.fixture(scope="module")
def cluster():
    """Ray with two workers' room for the whole module: runs use the connection that there is."""
    with ray_cluster(RayOptions(workers=2, object_store=100 * 2**20)) as ray:
        yield ray


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus with six clips, one of them broken, and transcripts."""
    corpus = tmp_path / "mer2024-dataset-process"
    (corpus / "audio").mkdir(parents=True)
    rng = np.random.default_rng(3)
    names = ("a.b", "b 'c'", "c$HOME", "d", "e", "f")
    for number, name in enumerate(names):
        time_ = np.arange(4000 * (number + 2)) / 16000
        wave = 0.2 * np.sin(2 * np.pi * 200 * (1 + number + time_) * time_) + 0.01 * rng.standard_normal(len(time_))
        soundfile.write(corpus / "audio" / f"{name}.wav", wave, 16000, subtype="PCM_16")
    (corpus / "audio" / "broken.wav").write_bytes(b"RIFF nothing")
    rows = [f'"{name}","{text}","{text}"\n' for name, text in zip(names, TEXTS, strict=True)]
    (corpus / "transcription-merge.csv").write_text("name,chinese,english\n" + "".join(rows), encoding="utf-8")
    return tmp_path


def contents(root: Path, folder: str) -> dict[str, bytes]:
    path = root / "mer2024-dataset-process/features" / folder
    found = {file.name: file.read_bytes() for file in path.iterdir() if file.name != LOCK_FILE}
    shutil.rmtree(path)
    return found


@pytest.mark.parametrize("level", ["UTTERANCE", "FRAME"])
def test_files_manifest_and_failures_are_those_of_local(cluster, root, level, capsys):
    flags = ["--dataset", "MER2024", "--data_root", str(root), "--feature_level", level, "--batch_size", "1"]
    folder = f"eGeMAPS_{'UTT' if level == 'UTTERANCE' else 'FRA'}"
    found = []
    for engine in (("--num_workers", "0"), RAY):
        assert handcrafted_main([*flags, "--feature_set", "eGeMAPS", *engine]) == 1
        assert "6 done, 0 already there, 1 failed" in capsys.readouterr().out
        found.append(contents(root, folder))
    assert sorted(found[0]) == sorted(found[1]) and len(found[0]) == 8
    assert found[0] == found[1]
    assert json.loads(found[1]["manifest.json"])["counts"] == {"files": 6, "failed": 1}


def test_a_model_gives_the_same_values(cluster, root, embedded_tools):
    model = embedded_tools / "transformers/all-MiniLM-L6-v2"
    flags = ["--dataset", "MER2024", "--data_root", str(root), "--model_name", model.name, "--model_dir", str(model)]
    flags += ["--language", "english", "--feature_level", "FRAME", "--gpu", "-1"]
    found = []
    for engine in (("--num_procs", "1"), RAY):
        assert text_main([*flags, "--batch_size", "1", *engine]) == 0
        found.append(contents(root, f"{model.name}-langeng-FRA"))
    assert found[0] == found[1] and len(found[0]) == 7


def dying(folder: Path):
    """Builds an extractor, here and in workers: rows are the numbers in a file; "once" and "always" kill the worker."""

    class Dying(Extractor):
        modality = "audio"
        outputs = (Output("vggish", 1),)
        formula = "the numbers"

        def __init__(self) -> None:
            self.load = self.read

        def prepare(self) -> None:
            if (folder / "no model").exists():
                raise UserError("no model here")

        def read(self, sample: Sample) -> np.ndarray:
            text = sample.path.read_text()
            if text == "always" or (text == "once" and not (folder / "killed").exists()):
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if text == "sleep":
                (folder / "slept").write_text(str(os.getpid()))
                time.sleep(600)
            return np.array([[len(text)]], np.float32)

        def extract(self, batch):
            return [(values,) for values in batch]

    return Dying


def run_dying(folder: Path, texts: dict[str, str], *flags: str) -> tuple[int, Path]:
    (folder / "mer2024-dataset-process/audio").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    args = extraction_parser("x").parse_args(["--dataset", "MER2024", "--data_root", str(folder), *RAY, *flags])
    status = run_extractor(args, dying(folder), samples=[Sample(name, folder / name) for name in texts])
    return status, folder / "mer2024-dataset-process/features/vggish_UTT"


def test_a_worker_killed_in_the_middle_changes_nothing(cluster, tmp_path, capfd):
    texts = {f"clip {number}": "x" * number for number in range(9)} | {"once": "once"}
    status, folder = run_dying(tmp_path, texts, "--batch_size", "2")
    assert status == 0 and (tmp_path / "killed").exists()
    assert {name: np.load(folder / f"{name}.npy").tolist() for name in texts} == {
        name: [len(text)] for name, text in texts.items()
    }
    assert not (folder / "failures.csv").exists()
    told = capfd.readouterr()
    assert told.err.count("a Ray worker died") == 1 and "raylet" not in told.out + told.err


def test_what_kills_every_worker_is_the_failure_of_one_clip(cluster, tmp_path):
    texts = {f"clip {number}": "x" * number for number in range(5)} | {"bad": "always"}
    status, folder = run_dying(tmp_path, texts, "--batch_size", "3")
    assert status == 1
    assert {path.stem for path in folder.glob("*.npy")} == texts.keys() - {"bad"}
    reason = "the worker process died on it (out of memory, or a crash while decoding)"
    assert (folder / "failures.csv").read_text() == f'name,reason\nbad,"{reason}"\n'


def test_a_model_that_no_worker_can_load_ends_the_run(cluster, tmp_path):
    (tmp_path / "no model").touch()
    with pytest.raises(UserError, match="^no model here$"):
        run_dying(tmp_path, {"a": "1"})


def test_flags_that_contradict_each_other(tmp_path):
    for flags, words in (
        (("--ray_workers", "0"), "--ray_workers 0 is not a whole number of at least 1"),
        (("--gpus_per_worker", "1.5"), "--gpus_per_worker 1.5 is not 0, a fraction"),
        (("--num_procs", "2"), "--num_procs is for --engine local"),
        (("--engine", "local"), "--ray_workers: only with --engine ray"),
    ):
        with pytest.raises(UserError, match=words):
            run_dying(tmp_path, {"a": "1"}, *flags)


def test_absent_ray_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # import then says: not found
    with pytest.raises(UserError, match=r"needs the package ray: pip install .*'\.\[distributed\]'"):
        run_dying(tmp_path, {"a": "1"})


def test_ctrl_c_leaves_no_process_and_no_folder(tmp_path):
    sessions = Path(tempfile.mkdtemp(prefix="s"))  # short: sockets are made in it
    code = (
        "import sys; from pathlib import Path; from toolkit.utils.errors import run_main; import test_engine_ray as t\n"
        "run_main(lambda argv: t.run_dying(Path(sys.argv[1]), {'a': 'sleep'})[0])"
    )
    found = os.pathsep.join((str(REPOSITORY), str(Path(__file__).parent)))
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": found, "RAY_TMPDIR": str(sessions)},
        stderr=subprocess.PIPE,
        process_group=0,
        text=True,
    )
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "slept").exists() and run.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        _, told = run.communicate(timeout=60)
        assert run.returncode == 130 and "interrupted; what was finished is kept" in told
        assert list(sessions.iterdir()) == []
        until = time.monotonic() + 20
        while (left := processes_of(sessions)) and time.monotonic() < until:
            time.sleep(0.1)
        assert left == []
    finally:
        run.kill()
        shutil.rmtree(sessions, ignore_errors=True)


def processes_of(sessions: Path) -> list[str]:
    """Command lines and variables of processes that name the folder; the workers have it in theirs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(sessions) in words and process.name != str(os.getpid()):
            found.append((process / "cmdline").read_text().replace("\0", " ")[:100])
    return found
