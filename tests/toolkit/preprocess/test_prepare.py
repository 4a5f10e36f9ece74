"""The core that all corpora share: what fails, what is written, what a killed run leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.data.labels import read_labels
from toolkit.globals import corpus_paths
from toolkit.preprocess import place, prepare
from toolkit.preprocess.batch import print_report
from toolkit.preprocess.media import ffmpeg_path
from toolkit.preprocess.prepare import Options
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.utils.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]
FILE = "label.npz"


@pytest.fixture
def paths(tmp_path):
    """Where SIMS goes: video/, label.npz."""
    found = corpus_paths("SIMS", tmp_path / "data")
    found.root.mkdir(parents=True)
    return found


@pytest.fixture
def sources(tmp_path, put_videos):
    """name -> a small video of that name."""
    names = list("abcdef")
    put_videos(tmp_path / "raw", names)
    return {name: tmp_path / "raw" / f"{name}.mp4" for name in names}


def label(number):
    return {"emo": 0, "val": float(number)}


def corpus(clips, train, test=(), **more):
    keys = {"train_corpus": {name: label(i) for i, name in enumerate(train)}}
    keys["test_corpus"] = {name: label(i) for i, name in enumerate(test)}
    return RawCorpus(clips, {FILE: keys}, {FILE: {"train_corpus": len(train)}}, **more)


def run(raw, paths, **options):
    return prepare.prepare(raw, paths, Options(num_workers=1, progress=False, **options))


def written(paths):
    return {key: list(labels) for key, labels in read_labels(paths.root / FILE).items()}


def test_order_of_the_label_file_is_that_of_the_labels(paths, sources):
    raw = corpus([Clip(name, sources[name]) for name in "abcd"], train="cab", test="d")
    prepared = run(raw, paths)
    assert written(paths) == {"train_corpus": ["c", "a", "b"], "test_corpus": ["d"]}
    assert read_labels(paths.root / FILE)["train_corpus"]["b"] == {"emo": 0, "val": 2.0}
    assert prepared.written == {FILE: {"train_corpus": 3, "test_corpus": 1}}
    assert (prepared.report.done, prepared.report.failures, prepared.report.exit_status) == (4, [], 0)


def test_every_fault_of_a_clip_is_listed_and_stays_out_of_the_labels(paths, sources, tmp_path):
    sources["e"].write_bytes(b"broken")
    clips = [
        Clip("a", sources["a"]),
        Clip("a", sources["b"]),
        Clip("../up", sources["b"]),
        Clip(".hidden", sources["b"]),
        Clip("", sources["b"]),
        Clip("n" * 247, sources["b"]),
        Clip("gone", tmp_path / "raw" / "gone.mp4"),
        Clip("backwards", sources["c"], 0.2, 0.1),
        Clip("late", sources["c"], 7.0, 8.0),
        Clip("broken", sources["e"]),
    ]
    names = ["a", "../up", ".hidden", "n" * 247, "gone", "backwards", "late", "broken", "nowhere"]
    prepared = run(corpus(clips, names), paths)
    assert written(paths)["train_corpus"] == ["a"]
    assert prepared.report.exit_status == 1
    reasons = dict(prepared.report.failures)
    assert len(prepared.report.failures) == 10
    assert reasons["a"] == "its name comes more than once; the first clip of this name was used"
    assert reasons["../up"] == "'../up' cannot be the name of a file"
    assert reasons[".hidden"] == "'.hidden' cannot be the name of a file"
    assert reasons[""] == "'' cannot be the name of a file"
    assert reasons["n" * 247] == "its name has 247 bytes, file names at most 246 beside their suffix"
    assert reasons["gone"] == f"its video is missing: {tmp_path / 'raw' / 'gone.mp4'}"
    assert reasons["backwards"] == "it ends at 0.1 s, not after its start at 0.2 s"
    assert reasons["late"].startswith("starts at 7 s, but ")
    assert "cannot be read as a video" in reasons["broken"]
    assert reasons["nowhere"] == "has a label, but the download names no video for it"
    assert sorted(path.name for path in paths.video.iterdir()) == ["a.mp4"]
    assert (paths.video / "a.mp4").samefile(sources["a"])


def test_problems_and_remarks_of_the_module_are_reported(paths, sources):
    raw = corpus([Clip("a", sources["a"])], "ab", problems=[("b", "no times")], remarks=[("line", "odd")])
    report = run(raw, paths).report
    assert report.failures == [("b", "no times")]  # and no second reason
    assert report.warnings == [("line", "odd")]


def test_a_name_in_two_splits_stays_in_the_first(paths, sources):
    report = run(corpus([Clip(name, sources[name]) for name in "ab"], train="ab", test="b"), paths).report
    assert written(paths) == {"train_corpus": ["a", "b"], "test_corpus": []}
    assert report.failures == [("b", "is in train_corpus and in test_corpus; it stays in train_corpus")]


def test_an_old_label_file_survives_a_run_without_any_clip(paths, sources):
    run(corpus([Clip("a", sources["a"])], "a"), paths)
    assert run(corpus([Clip("b", sources["a"].with_name("none.mp4"))], "b"), paths).report.exit_status == 1
    assert written(paths)["train_corpus"] == ["a"]


def test_the_label_file_is_written_only_when_it_changes(paths, sources):
    raw = corpus([Clip(name, sources[name]) for name in "ab"], "ab")
    run(raw, paths)
    os.utime(paths.root / FILE, (1, 1))
    run(raw, paths)
    assert (paths.root / FILE).stat().st_mtime == 1
    turned = {name: raw.labels[FILE]["train_corpus"][name] for name in "ba"}
    run(replace(raw, labels={FILE: {"train_corpus": turned, "test_corpus": {}}}), paths)  # the order is data
    assert written(paths)["train_corpus"] == ["b", "a"]
    (paths.root / FILE).write_bytes(b"damaged")
    run(raw, paths)
    assert written(paths)["train_corpus"] == ["a", "b"]


def test_a_kept_transcript_file_is_a_warning(paths, sources):
    raw = corpus([Clip("a", sources["a"])], "a", transcripts={"a": {"english": "one"}})
    run(raw, paths)
    assert paths.transcript.read_text() == "name,english\na,one\n"
    paths.transcript.write_text("name,english\na,One.\n")
    report = run(raw, paths).report
    assert [name for name, _ in report.warnings] == [paths.transcript.name] and report.exit_status == 0
    assert run(raw, paths, overwrite=True).report.warnings == []
    assert paths.transcript.read_text() == "name,english\na,one\n"


# ---------------------------------------------------------------- stopped and run again


def test_a_broken_run_is_completed_to_the_same_files(tmp_path, paths, sources, monkeypatch, folder_state):
    raw = corpus([Clip(name, sources[name]) for name in "abcd"] + [Clip("cut", sources["e"], 0.0, 0.2)], "abcd")
    whole = corpus_paths("SIMS", tmp_path / "whole")
    whole.root.mkdir(parents=True)
    run(raw, whole)
    link = place.LINKS["hard"]

    def stops_at_c(source, target):
        if source.stem == "c":
            raise KeyboardInterrupt
        link(source, target)

    with monkeypatch.context() as patch:
        patch.setitem(place.LINKS, "hard", stops_at_c)
        with pytest.raises(KeyboardInterrupt):
            run(raw, paths)
    assert not (paths.root / FILE).exists()  # nothing says that the corpus is whole
    there = sorted(path.name for path in paths.video.iterdir())
    assert there in (["a.mp4", "b.mp4"], ["a.mp4", "b.mp4", "d.mp4"])  # d had begun, or not
    report = run(raw, paths).report
    assert (report.done, report.skipped) == (5 - len(there), len(there))
    digests = [{name: digest for name, (_, digest) in folder_state(place.root).items()} for place in (paths, whole)]
    assert digests[0] == digests[1] and len(digests[0]) == 7


def test_killed_while_cutting_it_completes(tmp_path, make_numbered):
    """The second ffmpeg kills the Python process that started it."""
    raw = tmp_path / "raw" / "MOSEI raw"
    make_numbered(raw / "v.mp4", frames=20)
    killer = tmp_path / "ffmpeg"
    killer.write_text(
        f'#!/bin/sh\nif [ -e "$0.once" ]; then kill -9 $PPID; exit 1; fi\ntouch "$0.once"\nexec {ffmpeg_path()} "$@"\n'
    )
    killer.chmod(0o755)
    code = (
        "import sys; from pathlib import Path\n"
        "from toolkit.globals import corpus_paths; from toolkit.preprocess.prepare import Options, prepare\n"
        "from toolkit.preprocess.raw_corpus import Clip, RawCorpus\n"
        "source, data = Path(sys.argv[1]), sys.argv[2]\n"
        "clips = [Clip(f'v_{i}', source, i * 0.5, i * 0.5 + 0.5) for i in range(4)]\n"
        "labels = {'label.npz': {'train_corpus': {clip.name: {'emo': 0, 'val': 1.0} for clip in clips}}}\n"
        "prepared = prepare(RawCorpus(clips, labels, {}), corpus_paths('CMUMOSEI', data), Options('hard', 1))\n"
        "print(prepared.report.done, prepared.report.skipped, prepared.report.failures)\n"
    )
    command = [sys.executable, "-c", code, str(raw / "v.mp4"), str(tmp_path / "data")]
    environment = {**os.environ, "MER_FFMPEG": str(killer)}
    killed = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, check=False)
    assert killed.returncode == -9
    place = corpus_paths("CMUMOSEI", tmp_path / "data")
    assert [path.name for path in place.video.glob("*.mp4")] == ["v_0.mp4"]
    assert not place.label.exists()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "3 1 []\n"
    assert sorted(path.name for path in place.video.iterdir()) == [f"v_{i}.mp4" for i in range(4)]
    assert list(read_labels(place.label)["train_corpus"]) == [f"v_{i}" for i in range(4)]


def test_overwrite_makes_everything_again(paths, sources):
    raw = corpus([Clip("a", sources["a"]), Clip("cut", sources["b"], 0.0, 0.2)], ["a", "cut"])
    run(raw, paths)
    (paths.video / "cut.mp4").write_bytes(b"old")
    assert run(raw, paths).report.skipped == 2
    report = run(raw, paths, overwrite=True).report
    assert (report.done, report.skipped) == (2, 0)
    assert (paths.video / "cut.mp4").stat().st_size > 500
    assert sorted(path.name for path in paths.video.iterdir()) == ["a.mp4", "cut.mp4"]


def test_no_ffmpeg_is_found_before_any_work(paths, sources, monkeypatch):
    monkeypatch.setenv("MER_FFMPEG", "no such program")
    with pytest.raises(UserError, match="MER_FFMPEG='no such program'"):
        run(corpus([Clip("a", sources["a"]), Clip("cut", sources["b"], 0.0, 0.2)], ["a", "cut"]), paths)
    assert not paths.video.exists()
    assert run(corpus([Clip("a", sources["a"])], ["a"]), paths).report.done == 1  # placing needs none


# ---------------------------------------------------------------- what changed since an earlier run


def test_not_one_usable_clip_still_gives_a_list(paths, tmp_path, capsys):
    report = run(corpus([Clip("a", tmp_path / "raw" / "a.mp4")], "a"), paths).report
    print_report(report, paths.video)
    assert (paths.video / "failures.csv").read_text() == (
        f"name,reason\na,its video is missing: {tmp_path / 'raw' / 'a.mp4'}\n"
    )
    assert report.exit_status == 1 and "1 failed" in capsys.readouterr().out


def test_a_clip_is_cut_again_when_its_row_changes(paths, sources):
    def cut(start, end, half=""):
        clips = [Clip("a", sources["a"], start, end, half), Clip("b", sources["b"], 0.0, 0.2)]
        report = run(corpus(clips, "ab"), paths).report
        assert report.failures == []
        return report.done, report.skipped

    assert cut(0.0, 0.1) == (2, 0) and cut(0.0, 0.1) == (0, 2)
    short = (paths.video / "a.mp4").read_bytes()
    assert cut(0.0, 0.3) == (1, 1)  # a corrected end
    assert (paths.video / "a.mp4").read_bytes() != short
    assert cut(0.0, 0.3, "left") == (1, 1)
    with sources["a"].open("ab") as file:
        file.write(b"\0\0\0\x08free")  # the source was replaced by another
    assert cut(0.0, 0.3, "left") == (1, 1) and cut(0.0, 0.3, "left") == (0, 2)
    (paths.root / "preprocess.json").write_text("damaged")  # then nothing is known, and clips stay
    assert cut(0.0, 0.2) == (0, 2)
    assert cut(0.0, 0.3) == (1, 1)


def test_a_run_killed_after_a_table_changed_leaves_no_clip_of_the_old_one(paths, sources, monkeypatch):
    old, new = (corpus([Clip("a", sources["a"], 0.0, end)], "a") for end in (0.1, 0.3))
    run(old, paths)
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "run_jobs", lambda *arguments, **options: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(new, paths)
    assert not (paths.video / "a.mp4").exists()
    assert run(new, paths).report.done == 1


def test_moving_the_download_cuts_nothing_again(paths, sources, tmp_path):
    run(corpus([Clip("a", sources["a"], 0.0, 0.1)], "a"), paths)
    (tmp_path / "raw").rename(tmp_path / "moved")
    assert run(corpus([Clip("a", tmp_path / "moved" / "a.mp4", 0.0, 0.1)], "a"), paths).report.skipped == 1


@pytest.mark.parametrize("before", ["hard", "copy", "symbolic"])
@pytest.mark.parametrize("after", ["hard", "copy", "symbolic"])
def test_another_kind_of_link_is_made(paths, sources, before, after):
    raw = corpus([Clip("a", sources["a"])], "a")
    run(raw, paths, link=before)
    report = run(raw, paths, link=after).report
    stays = before == after or (before, after) == ("copy", "hard")
    assert (report.done, report.skipped) == ((0, 1) if stays else (1, 0))
    target = paths.video / "a.mp4"
    kind = "copy" if stays and before == "copy" else after
    assert target.is_symlink() == (kind == "symbolic") and target.samefile(sources["a"]) == (kind != "copy")


def test_a_source_of_the_same_size_that_changed_is_placed_again(paths, sources):
    raw = corpus([Clip("a", sources["a"])], "a")
    run(raw, paths, link="copy")
    assert (paths.video / "a.mp4").stat().st_mtime == pytest.approx(sources["a"].stat().st_mtime, abs=1e-3)
    content = sources["a"].read_bytes()[:-1] + b"x"
    sources["a"].write_bytes(content)
    os.utime(sources["a"], (5000, 5000))
    assert run(raw, paths, link="copy").report.done == 1
    assert (paths.video / "a.mp4").read_bytes() == content


def test_a_video_of_another_suffix_is_not_put_beside_the_old_one(paths, sources):
    run(corpus([Clip("a", sources["a"]), Clip("b", sources["b"])], "ab"), paths)
    other = sources["a"].rename(sources["a"].with_suffix(".avi"))
    raw = corpus([Clip("a", other), Clip("b", sources["b"])], "ab")
    report = run(raw, paths).report
    assert report.failures == [("a", f"{paths.video / 'a.mp4'} is there, of an earlier run; remove it and run again")]
    assert sorted(path.name for path in paths.video.iterdir()) == ["a.mp4", "b.mp4"]
    assert written(paths)["train_corpus"] == ["b"]
    (paths.video / "a.mp4").unlink()
    assert run(raw, paths).report.failures == []
    assert sorted(path.name for path in paths.video.iterdir()) == ["a.avi", "b.mp4"]


def test_corrected_transcripts_of_the_download_arrive_and_failed_clips_have_none(paths, sources, tmp_path):
    def texts(**of_clips):
        return {name: {"english": text} for name, text in of_clips.items()}

    gone = Clip("gone", tmp_path / "raw" / "gone.mp4")
    clips = [Clip("a", sources["a"]), gone]
    raw = corpus(clips, ["a", "gone"], transcripts=texts(a="one", gone="lost"))
    run(raw, paths)
    assert paths.transcript.read_text() == "name,english\na,one\n"
    corrected = replace(raw, transcripts=texts(a="One.", gone="lost"))
    assert run(corrected, paths).report.warnings == []
    assert paths.transcript.read_text() == "name,english\na,One.\n"
    paths.transcript.write_text("name,english\na,mine\n")
    assert len(run(raw, paths).report.warnings) == 1
    assert paths.transcript.read_text() == "name,english\na,mine\n"
    assert len(run(raw, paths).report.warnings) == 1  # and so it stays
    assert paths.transcript.read_text() == "name,english\na,mine\n"


def test_a_row_that_the_user_removed_does_not_come_back(paths, sources):
    texts = {name: {"english": name} for name in "ab"}
    raw = corpus([Clip(name, sources[name]) for name in "ab"], "ab", transcripts=texts)
    run(raw, paths)
    paths.transcript.write_text("name,english\na,a\n")
    assert len(run(raw, paths).report.warnings) == 1
    assert paths.transcript.read_text() == "name,english\na,a\n"
    assert run(raw, paths, overwrite=True).report.warnings == []
    assert paths.transcript.read_text() == "name,english\na,a\nb,b\n"
