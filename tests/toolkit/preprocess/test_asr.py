from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from toolkit.preprocess import asr, asr_backends
from toolkit.preprocess.media import MediaError
from toolkit.utils.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]


class Levels:
    """A recogniser that "hears" the first sample; it remembers its batches and can break off."""

    def __init__(self, break_at: int | None = None, before=None):
        self.batches: list[int] = []
        self.break_at = break_at
        self.before = before or (lambda: None)

    def transcribe(self, waveforms, batch_size):
        self.before()
        if len(self.batches) == self.break_at:
            raise KeyboardInterrupt
        self.batches.append(len(waveforms))
        return [f"level {waveform[0]:.1f}" if len(waveform) else "" for waveform in waveforms]


def write_wavs(folder, names):
    """<name>.wav; the i-th has level i / 10."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        soundfile.write(folder / f"{name}.wav", np.full(160, index / 10, np.float32), 16000, subtype="FLOAT")
    return folder


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def transcribe(folder, path, recogniser, **options):
    return asr.transcribe_folder(folder, path, lambda: recogniser, progress=False, **options)


# ---------------------------------------------------------------- folder -> csv


def test_rows_are_in_name_order_and_batches_full(tmp_path):
    names = ["c", "a", 'it\'s, "x"', "b.v1", "中文"]
    recogniser = Levels()
    report = transcribe(write_wavs(tmp_path / "audio", names), tmp_path / "new" / "t.csv", recogniser, batch_size=2)
    assert (report.done, report.skipped, report.exit_status) == (5, 0, 0)
    assert recogniser.batches == [2, 2, 1]
    assert read_rows(tmp_path / "new" / "t.csv") == [
        ["name", "sentence"],
        ["a", "level 0.1"],
        ["b.v1", "level 0.3"],
        ["c", "level 0.0"],
        ['it\'s, "x"', "level 0.2"],
        ["中文", "level 0.4"],
    ]


def test_an_interrupted_run_is_continued(tmp_path):
    folder, path = write_wavs(tmp_path / "audio", "abcdef"), tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt):
        transcribe(folder, path, Levels(break_at=2), batch_size=2)
    assert [row[0] for row in read_rows(path)] == ["name", "a", "b", "c", "d"]
    path.write_text(path.read_text().replace("level 0.0", "mended by hand"))
    recogniser = Levels()
    report = transcribe(folder, path, recogniser, batch_size=2)
    assert (report.done, report.skipped, recogniser.batches) == (2, 4, [2])
    assert read_rows(path)[1] == ["a", "mended by hand"]
    assert [row[0] for row in read_rows(path)] == ["name", *"abcdef"]
    recogniser = Levels()
    assert transcribe(folder, path, recogniser, overwrite=True).done == 6
    assert read_rows(path)[1] == ["a", "level 0.0"]


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, list(range(20))), (3600.0, [0] * 20)])
def test_the_csv_is_written_as_time_passes(tmp_path, monkeypatch, seconds, expected):
    monkeypatch.setattr("toolkit.preprocess.asr.SAVE_SECONDS", seconds)
    folder, path = write_wavs(tmp_path / "audio", [f"{i:02d}" for i in range(20)]), tmp_path / "t.csv"
    seen = []
    recogniser = Levels(before=lambda: seen.append(len(read_rows(path)) - 1 if path.exists() else 0))
    transcribe(folder, path, recogniser, batch_size=1)
    assert seen == expected
    assert len(read_rows(path)) == 21


def test_the_model_is_not_loaded_when_all_is_done(tmp_path):
    folder, path = write_wavs(tmp_path / "audio", "ab"), tmp_path / "t.csv"
    transcribe(folder, path, Levels())

    def never():
        raise AssertionError("loaded")

    assert asr.transcribe_folder(folder, path, never, progress=False).skipped == 2


def test_unreadable_files_are_listed_and_tried_again(tmp_path):
    folder, path = write_wavs(tmp_path / "audio", "abc"), tmp_path / "t.csv"
    (folder / "b.wav").write_text("no sound")
    soundfile.write(folder / "c.wav", np.array([0, np.nan], np.float32), 16000, subtype="FLOAT")
    report = transcribe(folder, path, Levels())
    assert (report.done, report.exit_status) == (1, 1)
    assert [name for name, _ in report.failures] == ["b", "c"]
    assert report.failures[0][1].startswith(f"{folder / 'b.wav'}: not a readable sound file (")
    assert report.failures[1][1] == f"{folder / 'c.wav'}: contains NaN or infinity"
    assert [row[0] for row in read_rows(path)] == ["name", "a"]
    write_wavs(folder, "abc")
    assert transcribe(folder, path, Levels()).exit_status == 0
    assert [row[0] for row in read_rows(path)] == ["name", "a", "b", "c"]


def test_clips_without_speech_are_noted(tmp_path):
    folder, path = write_wavs(tmp_path / "audio", "ab"), tmp_path / "t.csv"
    soundfile.write(folder / "b.wav", np.zeros(0, np.float32), 16000)
    report = transcribe(folder, path, Levels())
    assert report.warnings == [("b", "no speech was heard in it; its sentence is empty")]
    assert (report.done, report.exit_status) == (2, 0)
    assert read_rows(path)[1:] == [["a", "level 0.0"], ["b", ""]]
    assert transcribe(folder, path, Levels()).skipped == 2


def test_wrong_calls(tmp_path):
    with pytest.raises(UserError, match="audio is not a folder"):
        transcribe(tmp_path / "audio", tmp_path / "t.csv", Levels())
    (tmp_path / "audio").mkdir()
    with pytest.raises(UserError, match=r"audio holds no \*\.wav"):
        transcribe(tmp_path / "audio", tmp_path / "t.csv", Levels())
    write_wavs(tmp_path / "audio", "a")
    with pytest.raises(UserError, match="--batch_size 0 is not at least 1"):
        transcribe(tmp_path / "audio", tmp_path / "t.csv", Levels(), batch_size=0)
    (tmp_path / "t.csv").write_text("name,text\na,b\n")
    with pytest.raises(UserError, match="column sentence is missing"):
        transcribe(tmp_path / "audio", tmp_path / "t.csv", Levels())
    assert (tmp_path / "t.csv").read_text() == "name,text\na,b\n"
    with pytest.raises(UserError, match="--backend wenet: unknown; known: whisper, faster-whisper, funasr"):
        asr_backends.build_transcriber("wenet", None, -1, None)


# ---------------------------------------------------------------- reading sound


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.array([[0.5, 0.25], [-0.5, 0.5]]), 16000, subtype="FLOAT")
    waveform = asr.read_waveform(tmp_path / "s.wav")
    assert waveform.dtype == np.float32
    assert waveform.tolist() == [0.375, 0.0]


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate):
    seconds = np.arange(rate) / rate
    soundfile.write(tmp_path / "s.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds), rate, subtype="FLOAT")
    waveform = asr.read_waveform(tmp_path / "s.wav")
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert waveform.shape == (16000,)
    assert np.abs(waveform - expected)[500:-500].max() < 1e-3


def test_no_samples(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.zeros(0, np.float32), 16000)
    assert asr.read_waveform(tmp_path / "s.wav").shape == (0,)
    with pytest.raises(MediaError, match="not a readable sound file"):
        asr.read_waveform(tmp_path / "nothing.wav")


# ---------------------------------------------------------------- which model folder


def test_model_folders_are_found_below_tools_first(tmp_path, monkeypatch):
    shelf = asr_backends.BACKENDS["whisper"].shelf
    monkeypatch.setattr(asr_backends, "PATH_TO_PRETRAINED_MODELS", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "models" / "mine"
    below = tmp_path / "elsewhere" / "transformers" / "small"
    here = tmp_path / "tools" / "transformers" / "small"  # "tools/" means MER_TOOLS, wherever the user stands
    for folder in (own, below, here):
        folder.mkdir(parents=True)
        (folder / "config.json").touch()
    assert asr_backends.resolve_model_dir("small", shelf) == below
    assert asr_backends.resolve_model_dir("tools/transformers/small", shelf) == below
    assert asr_backends.resolve_model_dir(str(own), shelf) == own
    assert asr_backends.resolve_model_dir("models/mine", shelf).resolve() == own
    with pytest.raises(
        UserError, match=r"no model \(config.json\) in big; looked at .*elsewhere/transformers/big, big; put one there"
    ):
        asr_backends.resolve_model_dir("big", shelf)
    with pytest.raises(UserError, match=r"no model \(model.bin\) in small; looked at .*elsewhere/faster-whisper/small"):
        asr_backends.build_transcriber("faster-whisper", "small", -1, None)
    with pytest.raises(UserError, match=r"no model \(config.yaml\) in paraformer-zh; .*\(such as funasr/paraformer-zh"):
        asr_backends.build_transcriber("funasr", None, -1, None)


# ---------------------------------------------------------------- merging

NEW = 'name,sentence\nb,asr b\na,"asr, a"\nd,\nc,asr c\n'


@pytest.mark.parametrize("header", ["name,chinese", "name,sentence", "name,english,chinese"])
def test_checked_text_goes_before_recognised_text(tmp_path, header):
    (tmp_path / "new.csv").write_text(NEW)
    middle = ",english only" * (header.count(",") - 1)
    rows = [f"a{middle},你好", f"b{middle},  ", f"d{middle},checked d", f"z{middle},unknown", f"y{middle},"]
    (tmp_path / "checked.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    result = asr.merge_transcripts(tmp_path / "new.csv", tmp_path / "checked.csv", tmp_path / "out" / "merged.csv")
    assert result == (2, ["z"])
    expected = [["name", "chinese"], ["a", "你好"], ["b", "asr b"], ["c", "asr c"], ["d", "checked d"]]
    assert read_rows(tmp_path / "out" / "merged.csv") == expected


def test_merge_takes_the_column_that_was_asked_for(tmp_path):
    (tmp_path / "new.csv").write_text(NEW)
    (tmp_path / "checked.csv").write_text("name,chinese,english\na,zh,en\n")
    asr.merge_transcripts(tmp_path / "new.csv", tmp_path / "checked.csv", tmp_path / "merged.csv", "english")
    assert read_rows(tmp_path / "merged.csv")[:2] == [["name", "english"], ["a", "en"]]


def test_merge_errors(tmp_path):
    (tmp_path / "new.csv").write_text(NEW)
    (tmp_path / "checked.csv").write_text("name,text\na,b\n")
    with pytest.raises(UserError, match="needs a column english or chinese or sentence; columns there: name, text"):
        asr.merge_transcripts(tmp_path / "new.csv", tmp_path / "checked.csv", tmp_path / "merged.csv", "english")
    with pytest.raises(UserError, match=r"none\.csv does not exist"):
        asr.merge_transcripts(tmp_path / "none.csv", None, tmp_path / "merged.csv")
    for column in ("", " ", "name"):
        with pytest.raises(UserError, match=f"--column {column!r}: no name for the column of the texts"):
            asr.merge_transcripts(tmp_path / "new.csv", None, tmp_path / "merged.csv", column)
    assert not (tmp_path / "merged.csv").exists()


@pytest.mark.parametrize("own", ["new.csv", "checked.csv"])
def test_the_merge_overwrites_none_of_its_files(tmp_path, own):
    new, checked, link = (tmp_path / name for name in ("new.csv", "checked.csv", "link.csv"))
    new.write_text(NEW)
    checked.write_text("name,chinese\na,b\n")
    (tmp_path / "folder").mkdir()
    link.symlink_to(tmp_path / own)
    before = new.read_bytes(), checked.read_bytes()
    for merged in (tmp_path / own, tmp_path / "folder" / ".." / own, link):
        with pytest.raises(UserError, match=f"is the file {own[:-4].upper()} .*{own}, which would be overwritten"):
            asr.merge_transcripts(new, checked, merged)
    assert (new.read_bytes(), checked.read_bytes()) == before and link.is_symlink()


# ---------------------------------------------------------------- the command


@pytest.fixture
def main_asr():
    spec = importlib.util.spec_from_file_location("main_asr", REPOSITORY / "main-asr.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_command_transcribes_and_merges(tmp_path, main_asr, monkeypatch, capsys):
    asked = []

    def build(backend, model_dir, gpu, language):
        asked.append((backend, model_dir, gpu, language))
        return Levels()

    monkeypatch.setattr(asr_backends, "build_transcriber", build)
    folder = write_wavs(tmp_path / "2024,1", "ab")  # fire would read such a folder name as a pair of numbers
    monkeypatch.chdir(tmp_path)
    generate = ["generate_transcription_files_asr", folder.name, "t.csv"]
    assert main_asr.main([*generate, "--language", "zh", "--gpu", "-1"]) == 0
    assert main_asr.main([*generate, "--model_dir=1e5", "--overwrite", "--backend", "funasr"]) == 0
    assert asked == [("whisper", None, -1, "zh"), ("funasr", "1e5", 0, None)]
    output = capsys.readouterr().out
    assert output.count("2 done, 0 already there, 0 failed") == 2 and output.count("\n") == 2
    assert main_asr.main(["merge_trans_with_checked", "t.csv", "", "merged.csv", "--column", "english"]) == 0
    assert read_rows("merged.csv") == [["name", "english"], ["a", "level 0.0"], ["b", "level 0.1"]]
    (folder / "c.wav").write_text("")
    assert main_asr.main(generate) == 1
    assert "failed: c: " in capsys.readouterr().out


def test_help_shows_the_commands(main_asr, capsys):
    assert main_asr.main([]) == 0
    output = capsys.readouterr().out
    assert "python main-asr.py merge_trans_with_checked" in output
    assert "generate_transcription_files_asr: Transcribe" in output
    with pytest.raises(SystemExit) as caught:
        main_asr.main(["merge_trans_with_checked", "only-one"])
    assert caught.value.code == 2
