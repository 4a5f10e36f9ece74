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
        with pytest.raises(UserError, match="gone does not exist; make it with .*--input_root"):
            find(tmp_path / "gone")
        with pytest.raises(UserError) as caught:
            find(tmp_path / "gone", given=True)
        assert str(caught.value).endswith("gone does not exist; --input_root takes the folder that holds the clips")
    with pytest.raises(UserError, match=r"holds no video \(.mp4, .avi, .mkv, .mov\)$"):
        video_samples(tmp_path)
    with pytest.raises(UserError, match="holds no folder of images; for videos give --type videoOne"):
        image_folder_samples(tmp_path)
    (tmp_path / "1.jpg").touch()
    for given in (False, True):
        for kind in ("videoOne", "faceDir"):
            with pytest.raises(UserError, match="1.jpg is a file; the folder that holds the clips is needed"):
                clip_samples(tmp_path / "1.jpg", kind, given)
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
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder is a folder; --name_npy takes a list"):
        only_named(samples, tmp_path / "folder")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "windows.txt").write_text("a\nb\n", encoding="utf-16")
    (tmp_path / "windows.csv").write_text("name\na\n", encoding="utf-16")
    for name in ("bytes.txt", "windows.txt", "windows.csv"):
        with pytest.raises(UserError, match=rf"{name}: not UTF-8 \(byte 0\); save it again as UTF-8"):
            only_named(samples, tmp_path / name)
    (tmp_path / "bare.txt").write_text("a\nb\n", encoding="utf-16-le")
    with pytest.raises(UserError, match="bare.txt: holds NUL characters.* as UTF-8"):
        only_named(samples, tmp_path / "bare.txt")
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match="zip.npy: not an array of names"):
        only_named(samples, tmp_path / "zip.npy")
    np.save(tmp_path / "object.npy", np.array(["a"], dtype=object))
    with pytest.raises(UserError, match="object.npy: not an array of names .*can run code"):
        only_named(samples, tmp_path / "object.npy")
    np.save(tmp_path / "numbers.npy", np.arange(3))
    with pytest.raises(UserError, match="numbers.npy: an array of texts is needed, found int64"):
        only_named(samples, tmp_path / "numbers.npy")
    np.save(tmp_path / "others.npy", ["b", "c"])
    with pytest.raises(UserError, match="others.npy: none of its 2 names is a clip, for example 'b'"):
        only_named(samples, tmp_path / "others.npy")
