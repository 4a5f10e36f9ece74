"""Make the synthetic demo corpus in the raw layout of MER2024, with the truth used to make it.

Needs the programs espeak-ng and ffmpeg (a system ffmpeg is preferred; else the one carried by imageio-ffmpeg):

    apt-get install espeak-ng ffmpeg
    pip install numpy scipy "opencv-python-headless<5" scikit-image imageio-ffmpeg

Run, from the root of the repository:

    python demo/make_demo.py                 # rewrites demo/mer2024-dataset and demo/sources.csv
    python demo/make_demo.py --out OTHER     # the same corpus in another folder

The pictures and sounds depend only on --seed and on the versions of the needs; see README.md beside this file.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from face_points import EXPRESSIONS, PARAMETERS, Array, expression_vector
from face_warp import SIZE, Look, Portrait, Pose
from numpy.typing import NDArray
from speech import SENTENCES, VOICES, draw_prosody, loudness, speak, wav_bytes

EMOTIONS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
LABELLED, UNLABELLED = 8, 2  # clips for each emotion
FPS = 25
LABELLED_FOLDER = "video-labeled"
UNLABELLED_FOLDER = "video-unlabeled-with-test2noise"

# Mean valence of an emotion on the -5..5 scale of MER2024; plausible figures, not measured ones.
VALENCE = {"neutral": 0.0, "angry": -3.0, "happy": 3.4, "sad": -2.6, "worried": -1.8, "surprise": 0.9}


@dataclass(frozen=True)
class Clip:
    """What one clip is made from."""

    name: str
    emotion: str
    sentence: str
    voice: str
    labelled: bool
    valence: float
    seed: int


def plan(seed: int) -> list[Clip]:
    """The 60 clips in order of name; one shuffled numbering for labelled and unlabelled clips."""
    rng = np.random.default_rng(seed)
    drawn = []
    for emotion in EMOTIONS:
        sentences = rng.permutation(np.array(SENTENCES[emotion]))
        voices = [VOICES[i % len(VOICES)] for i in range(len(sentences))]
        voices = rng.permutation(np.array(voices))
        for place, (sentence, voice) in enumerate(zip(sentences, voices, strict=True)):
            valence = float(np.clip(np.round(VALENCE[emotion] + 0.8 * rng.normal(), 1), -5, 5)) + 0.0
            drawn.append((emotion, str(sentence), str(voice), place < LABELLED, valence))
    clips = []
    for number, index in enumerate(rng.permutation(len(drawn)), start=1):
        clips.append(Clip(f"sample_{number:08d}", *drawn[index], seed=int(rng.integers(2**31))))
    return clips


def draw_look(rng: np.random.Generator) -> Look:
    """A random exposure, backdrop and framing."""
    hue = rng.uniform(0, 2 * np.pi)
    strength = rng.uniform(0.0, 0.16)
    tint = tuple(float(0.9 + strength * np.cos(hue + k * 2 * np.pi / 3)) for k in range(3))
    return Look(
        brightness=float(rng.uniform(-18, 12)),
        contrast=float(rng.uniform(0.85, 1.1)),
        tint=(tint[0], tint[1], tint[2]),
        zoom=float(rng.uniform(1.34, 1.62)),
        shift=(float(rng.uniform(-9, 9)), float(rng.uniform(-2, 10))),
        mirror=bool(rng.random() < 0.5),
    )


def smooth_noise(count: int, seconds: float, rng: np.random.Generator) -> Array:
    """Slow random movement, about -1..1, which changes over roughly `seconds` (a cubic through random knots)."""
    knots = max(int(np.ceil(count / FPS / seconds)) + 1, 4)
    values = rng.uniform(-1, 1, size=knots)
    return cv2.resize(values.reshape(1, -1), (count, 1), interpolation=cv2.INTER_CUBIC)[0]


def blink_track(count: int, rng: np.random.Generator) -> Array:
    """Closing of the lids in each frame, 0..1: a blink of about 0.25 s every 1 to 3 s."""
    track = np.zeros(count)
    shape = np.array([0.35, 0.85, 1.0, 0.75, 0.4, 0.15])
    start = int(rng.uniform(0.3, 1.6) * FPS)
    while start + len(shape) < count:
        track[start : start + len(shape)] = shape
        start += int(rng.uniform(1.0, 3.0) * FPS)
    return track


def expression_track(emotion: str, open_mouth: Array, rng: np.random.Generator) -> Array:
    """Expression parameters of each frame (frames x parameters).

    The emotion rises over the first half second to a random strength, wavers, carries a share of another emotion and
    noise of its own; the mouth opens with the loudness of the speech.
    """
    count = len(open_mouth)
    full = expression_vector(emotion)
    other = expression_vector(str(rng.choice([e for e in EXPRESSIONS if e != emotion])))
    scale = np.std([expression_vector(e) for e in EXPRESSIONS], axis=0)
    target = rng.uniform(0.62, 1.08) * full + rng.uniform(0.0, 0.22) * other + 0.16 * scale * rng.normal(size=len(full))
    time = np.arange(count) / FPS
    rise = np.clip((time - rng.uniform(0.0, 0.2)) / rng.uniform(0.3, 0.7), 0.0, 1.0)
    strength = 0.3 + 0.7 * rise * rise * (3 - 2 * rise)
    strength *= 1.0 + 0.1 * smooth_noise(count, 0.8, rng)
    track = strength[:, None] * target[None, :]
    mouth, teeth = PARAMETERS.index("mouth_open"), PARAMETERS.index("teeth")
    rest = np.maximum(track[:, mouth], 0.0)
    # An expression with an open mouth closes it partly between the syllables.
    track[:, mouth] = rest * (0.6 + 0.4 * open_mouth) + rng.uniform(4.0, 6.0) * open_mouth
    track[:, teeth] = np.clip(np.maximum(track[:, teeth], 0.5 * open_mouth), 0.0, 1.0)
    track[:, PARAMETERS.index("lip_thickness")] += 0.1 * smooth_noise(count, 0.3, rng)
    return track


def pose_track(emotion: str, count: int, rng: np.random.Generator) -> list[Pose]:
    """Slow head movement, blinks and gaze of each frame; a sad head hangs a little."""
    drop = {"sad": 3.0, "worried": 1.0, "surprise": -1.5}.get(emotion, 0.0) * rng.uniform(0.4, 1.2)
    dx = 4.0 * smooth_noise(count, 1.3, rng)
    dy = drop + 2.5 * smooth_noise(count, 1.1, rng)
    angle = rng.uniform(-3, 3) + 3.0 * smooth_noise(count, 1.5, rng)
    scale = 1.0 + 0.025 * smooth_noise(count, 1.8, rng)
    gaze_x = 0.7 * smooth_noise(count, 0.9, rng)
    blinks = blink_track(count, rng)
    return [
        Pose(float(dx[i]), float(dy[i]), float(angle[i]), float(scale[i]), float(blinks[i]), (float(gaze_x[i]), 0.0))
        for i in range(count)
    ]


def frames(emotion: str, open_mouth: Array, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """The BGR frames of a clip; `open_mouth` has one value (0..1) a frame."""
    portrait = Portrait(draw_look(rng))
    expressions = expression_track(emotion, open_mouth, rng)
    poses = pose_track(emotion, len(open_mouth), rng)
    for parameters, pose in zip(expressions, poses, strict=True):
        yield portrait.draw(parameters, pose)


def find_ffmpeg() -> str:
    """Path of the system ffmpeg, else of the one in imageio-ffmpeg."""
    system = shutil.which("ffmpeg")
    if system:
        return system
    import imageio_ffmpeg  # only needed where the system has none

    return imageio_ffmpeg.get_ffmpeg_exe()


def encode(path: Path, sound: Array, pictures: Iterator[NDArray[np.uint8]], ffmpeg: str) -> None:
    """Write an H.264 + AAC MP4 file; a half-written file never has the final name."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        wav.write_bytes(wav_bytes(sound))
        temporary = path.with_name(f".{path.stem}.part.mp4")
        command = [ffmpeg, "-hide_banner", "-loglevel", "error", "-y"]
        command += ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{SIZE}x{SIZE}", "-r", str(FPS), "-i", "pipe:0"]
        command += ["-i", str(wav), "-map", "0:v", "-map", "1:a", "-map_metadata", "-1"]
        command += ["-c:v", "libx264", "-preset", "slow", "-crf", "24", "-pix_fmt", "yuv420p", "-threads", "1"]
        command += [
            "-c:a",
            "aac",
            "-b:a",
            "48k",
            "-ac",
            "1",
            "-ar",
            "48000",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
        ]
        command += ["-flags:a", "+bitexact", "-movflags", "+faststart", str(temporary)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert process.stdin is not None
        try:
            for picture in pictures:
                process.stdin.write(picture.tobytes())
        finally:
            process.stdin.close()
            code = process.wait()
            if code:
                temporary.unlink(missing_ok=True)
        if code:
            raise RuntimeError(f"ffmpeg failed with exit code {code} on {path.name}")
        os.replace(temporary, path)


def make_clip(clip: Clip, path: Path, ffmpeg: str) -> float:
    """Speak and draw one clip; returns its length in seconds."""
    rng = np.random.default_rng(clip.seed)
    sound = speak(clip.sentence, clip.voice, draw_prosody(clip.emotion, rng), FPS, rng)
    open_mouth = loudness(sound, FPS)
    encode(path, sound, frames(clip.emotion, open_mouth, rng), ffmpeg)
    return len(open_mouth) / FPS


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Write a comma-separated table with Unix line ends, atomically."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(temporary, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    parser.add_argument("--seed", type=int, default=2024, help="seed of everything random (default 2024)")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="make only these clips (the tables are left alone)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus; returns the exit status."""
    options = parse_arguments(arguments)
    if shutil.which("espeak-ng") is None:
        print("espeak-ng was not found; install it first (apt-get install espeak-ng)", file=sys.stderr)
        return 2
    ffmpeg = find_ffmpeg()
    corpus = options.out / "mer2024-dataset"
    for folder in (LABELLED_FOLDER, UNLABELLED_FOLDER):
        (corpus / folder).mkdir(parents=True, exist_ok=True)
    clips = plan(options.seed)
    chosen = [clip for clip in clips if not options.only or clip.name in options.only]
    total = 0.0
    for number, clip in enumerate(chosen, start=1):
        folder = LABELLED_FOLDER if clip.labelled else UNLABELLED_FOLDER
        total += make_clip(clip, corpus / folder / f"{clip.name}.mp4", ffmpeg)
        print(f"\r{number}/{len(chosen)} clips, {total:.1f} s of video", end="", flush=True)
    print()
    if not options.only:
        labels = [[clip.name, clip.emotion, clip.valence] for clip in clips if clip.labelled]
        write_csv(corpus / "label-disdim.csv", ["name", "discrete", "valence"], labels)
        sources = [[clip.name, clip.emotion, clip.sentence, clip.voice] for clip in clips]
        write_csv(options.out / "sources.csv", ["name", "emotion", "sentence", "voice"], sources)
    return 0


if __name__ == "__main__":
    sys.exit(main())
