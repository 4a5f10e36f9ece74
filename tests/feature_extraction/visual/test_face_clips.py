import numpy as np
import pytest

from feature_extraction.visual.face_clips import clip_samples, image_folder_samples, only_named, video_samples
from toolkit.utils.errors import UserError

NAMES = ["a", "a.b", """it's "c" $HOME; x""", "z"]


def test_videos_in_name_order(tmp_path):
    for name in ("z.MP4", "a.b.mkv", "a.mp4", """it's "c" $HOME; x.mov""", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    assert [sample.name for sample in clip_samples(tmp_path, "videoOne")] == NAMES
    (tmp_path / "z.avi").touch()
    with pytest.raises(UserError, match=r"z.MP4 and z.avi|z.avi and z.MP4"):
        video_samples(tmp_path)


def test_folders_of_images_in_name_order(tmp_path):
    for name in (*reversed(NAMES), ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "b.mp4").touch()
    samples = clip_samples(tmp_path, "faceDir")
    assert [sample.name for sample in samples] == NAMES and samples[1].path == tmp_path / "a.b"


def test_folders_that_cannot_be_used(tmp_path):
    for find in (video_samples, image_folder_samples):
        with pytest.raises(UserError, match="gone does not exist; make it with"):
            find(tmp_path / "gone")
    with pytest.raises(UserError, match=r"holds no video \(.mp4, .avi, .mkv, .mov\)$"):
        video_samples(tmp_path)
    with pytest.raises(UserError, match="holds no folder of images; for videos give --type videoOne"):
        image_folder_samples(tmp_path)
    (tmp_path / "1.jpg").touch()
    with pytest.raises(UserError, match="holds no folder of images but 1 images: every clip has a folder of its own"):
        image_folder_samples(tmp_path)
    (tmp_path / "clip").mkdir()
    with pytest.raises(UserError, match="holds no video .*; for folders of images give --type faceDir"):
        video_samples(tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".txt"])
def test_only_named_clips(tmp_path, suffix):
    for name in NAMES:
        (tmp_path / f"{name}.mp4").touch()
    wanted = [NAMES[2], "nobody", "a"]
    path = tmp_path / f"list{suffix}"
    if suffix == ".npy":
        np.save(path, wanted)
    elif suffix == ".csv":
        path.write_text('name,emotion\n"it\'s ""c"" $HOME; x",sad\nnobody,sad\na,happy\n')
    else:
        path.write_text("\n".join(wanted) + "\n\n")
    chosen, absent = only_named(video_samples(tmp_path), path)
    assert [sample.name for sample in chosen] == ["a", NAMES[2]] and absent == ["nobody"]


def test_lists_that_cannot_be_used(tmp_path):
    (tmp_path / "a.mp4").touch()
    samples = video_samples(tmp_path)
    with pytest.raises(UserError, match="gone.npy does not exist; --name_npy takes a list"):
        only_named(samples, tmp_path / "gone.npy")
    np.save(tmp_path / "object.npy", np.array(["a"], dtype=object))
    with pytest.raises(UserError, match="object.npy: not an array of names .*can run code"):
        only_named(samples, tmp_path / "object.npy")
    np.save(tmp_path / "numbers.npy", np.arange(3))
    with pytest.raises(UserError, match="numbers.npy: an array of texts is needed, found int64"):
        only_named(samples, tmp_path / "numbers.npy")
    np.save(tmp_path / "others.npy", ["b", "c"])
    with pytest.raises(UserError, match="others.npy: none of its 2 names is a clip, for example 'b'"):
        only_named(samples, tmp_path / "others.npy")
