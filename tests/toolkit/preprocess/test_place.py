from __future__ import annotations

import os
import threading

import pytest

from toolkit.preprocess.media import MediaError
from toolkit.preprocess.place import LINKS, clip_job, clip_work, is_placed
from toolkit.preprocess.raw_corpus import Clip


@pytest.fixture
def source(tmp_path, put_videos):
    put_videos(tmp_path / "raw", ["a"])
    (tmp_path / "out").mkdir()
    return tmp_path / "raw" / "a.mp4"


def do(source, link, name="a"):
    job = clip_job(Clip(name, source), source.parent.parent / "out")
    assert clip_work(link)(job, threading.Event()) == ""
    return job


def out_files(source):
    return sorted(path.name for path in (source.parent.parent / "out").iterdir())


@pytest.mark.parametrize("link", LINKS)
def test_kinds_of_links(source, link):
    job = do(source, link)
    assert job.target.read_bytes() == source.read_bytes()
    assert job.target.samefile(source) == (link != "copy")
    assert job.target.is_symlink() == (link == "symbolic")
    assert (source.stat().st_nlink == 2) == (link == "hard")
    assert is_placed(job)
    assert out_files(source) == ["a.mp4"]


@pytest.mark.parametrize("before", LINKS)
@pytest.mark.parametrize("after", LINKS)
def test_placing_again_in_another_way(source, before, after):
    content = source.read_bytes()
    do(source, before)
    job = do(source, after)
    assert job.target.is_symlink() == (after == "symbolic")
    assert job.target.samefile(source) == (after != "copy")
    assert source.read_bytes() == content and not source.is_symlink()
    assert out_files(source) == ["a.mp4"]  # no second name, no part file


def test_without_hard_links_it_is_a_copy(source, monkeypatch):
    def no_links(*arguments, **options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    job = do(source, "hard")
    assert job.target.read_bytes() == source.read_bytes() and not job.target.samefile(source)


@pytest.mark.parametrize("link", LINKS)
def test_a_download_in_the_very_place_stays(source, link):
    content = source.read_bytes()
    job = clip_job(Clip("a", source), source.parent)
    clip_work(link)(job, threading.Event())
    assert source.read_bytes() == content and not source.is_symlink()
    assert [path.name for path in source.parent.iterdir()] == ["a.mp4"]


def test_a_link_in_the_download_is_followed(source, tmp_path):
    (tmp_path / "raw" / "b.mp4").symlink_to(source)
    job = do(tmp_path / "raw" / "b.mp4", "symbolic", "b")
    assert os.readlink(job.target) == str(source)


def test_an_unreadable_video_is_not_placed(source):
    source.write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be read as a video"):
        do(source, "hard")
    assert out_files(source) == []


def test_when_a_clip_is_there(source, tmp_path):
    placed, cut = clip_job(Clip("a", source), tmp_path / "out"), clip_job(Clip("b", source, 0.0, 0.1), tmp_path / "out")
    assert (placed.target.name, cut.target.name) == ("a.mp4", "b.mp4")
    assert not is_placed(placed) and not is_placed(cut)
    placed.target.write_bytes(b"half")  # another size: not the file of the download
    cut.target.write_bytes(b"half")  # cut clips appear only when they are whole
    assert not is_placed(placed) and is_placed(cut)
    cut.target.write_bytes(b"")
    assert not is_placed(cut)


def test_suffixes(tmp_path):
    assert clip_job(Clip("a.b", tmp_path / "x.AVI"), tmp_path).target.name == "a.b.AVI"
    assert clip_job(Clip("a.b", tmp_path / "x.AVI", half="left"), tmp_path).target.name == "a.b.mp4"
