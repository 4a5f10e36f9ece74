"""main-noise.py as users run it."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from toolkit.noise.clip_job import Settings
from toolkit.noise.manifest import read_manifest
from toolkit.noise.sound import write_wav
from toolkit.preprocess.batch import BatchReport
from toolkit.utils.errors import UserError

SCRIPT = Path(__file__).resolve().parent.parent / "main-noise.py"


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture
def folders(tmp_path):
    """audio/ with two sounds and noise/ with one."""
    rng = np.random.default_rng(0)
    for place in ("audio/a", "audio/1e5", "noise/n"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        write_wav(tmp_path / f"{place}.wav", rng.integers(-3000, 3000, 17000).astype(np.int16))
    return tmp_path


@pytest.mark.parametrize(("snrs", "folder", "kept"), [("5", "audio_snr5", "5"), ("5,10", "audio_snrmix", "5 10")])
def test_audio_sets(main, folders, snrs, folder, kept, capsys):
    arguments = [str(folders / "audio"), "--choice_snrs", snrs, "--noise_root", str(folders / "noise"), "--seed=4"]
    assert main(["add_noise_multiprocess", *arguments]) == 0
    rows = read_manifest(folders / folder / "noise-info.csv")
    assert sorted(rows) == ["1e5", "a"] and {(row.seed, row.snrs) for row in rows.values()} == {("4", kept)}
    assert "2 done, 0 already there, 0 failed" in capsys.readouterr().out


def test_a_bad_clip_gives_exit_status_1(main, folders, capsys):
    (folders / "audio" / "bad.wav").write_text("no sound", encoding="utf-8")
    arguments = ["add_noise_multiprocess", str(folders / "audio"), "5", "--noise_root", str(folders / "noise")]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "2 done, 0 already there, 1 failed" in out and "failed: bad: " in out and "Invalid data" in out
    assert (folders / "audio_snr5" / "failures.csv").exists()
    (folders / "audio" / "bad.wav").unlink()
    assert main(arguments) == 0 and not (folders / "audio_snr5" / "failures.csv").exists()


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--snrs", "5,x"], "--snrs '5,x': give integers"),
        (["--snrs", "5.5"], "give integers"),
        (["--blurs", "2,3"], "3 is no power of two"),
        (["--seed", "x"], "--seed 'x' is no whole number"),
        (["--workers", "two"], "--workers 'two'"),
        (["--snrs", "5,2000"], "--snrs: 2000 dB is outside -1000"),
        (["--blurs", "128"], "--blurs: 128 is no power of two from 1 to 64"),
        (["--video_codec", "gif"], "gif is not one of"),
    ],
)
def test_wrong_flags(main, folders, flags, text):
    with pytest.raises(UserError, match=text):
        main(["main_mixture_multiprocess", "--video_root", str(folders), "--save_root", str(folders / "out"), *flags])


def test_help_names_the_functions(main, capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("main_mixture_multiprocess", "add_noise_multiprocess", "preview"))


def test_seed_and_manifest_of_videos(main, folders, monkeypatch, capsys):
    from toolkit.noise import commands

    calls = []
    monkeypatch.setattr(commands, "corrupt_videos", lambda *given, **options: calls.append(given) or BatchReport())
    arguments = ["main_mixture_multiprocess", "--video_root", "V", "--save_root", str(folders / "out")]
    assert main([*arguments, "--seed", "7", "--snrs", "3", "--blurs", "2", "--video_codec", "libx264"]) == 0
    assert calls[0][2] == Settings(7, (3,), (2,), "libx264") and "--from_manifest" not in capsys.readouterr().out
    assert main([*arguments, "--from_manifest", "m.csv", "--seed", "7"]) == 0
    line = "--from_manifest: its seed, SNRs, blurs and codec are used, not --seed, --snrs, --blurs, --video_codec"
    assert capsys.readouterr().out.splitlines()[0] == line


def test_audio_sets_need_an_snr_or_a_manifest(main, folders):
    with pytest.raises(UserError, match="--choice_snrs '': give integers"):
        main(["add_noise_multiprocess", str(folders / "audio"), "--noise_root", str(folders / "noise")])


@pytest.mark.parametrize("name", ["main_mixture_multiprocess", "add_noise_multiprocess", "preview"])
def test_each_functions_help_explains_its_flags(main, name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr()
    text = " ".join((shown.out + shown.err).split())
    expected = {"preview": "PNG to write"}.get(name, "whole dB from -1000 to 1000")
    assert expected in text
    if name.startswith("main"):
        assert "powers of two from 1 (sharp) to 64" in text and "mpeg4, libx264, or copy_when_sharp" in text
