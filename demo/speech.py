"""Speak a sentence with espeak-ng in the manner of an emotion.

espeak-ng is run as a program; its sound is resampled, levelled, padded with silence and given a faint noise floor.
The sentences were written for this corpus. The prosody figures are rules of thumb (angry: loud, fast, low and wide;
sad: slow, quiet, flat; and so on), with random variation so that the emotions overlap; they come from no study.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

Array = NDArray[np.float64]

SAMPLE_RATE = 16000  # Hz, of the finished sound
MIN_SECONDS, MAX_SECONDS = 2.0, 4.0  # of a finished clip

# espeak-ng voices; these variants are understood by a small speech recogniser.
VOICES = ("en-us", "en-us+m2", "en-us+m8", "en-us+f2", "en-us+f3", "en-us+f5", "en-us+adam", "en-us+klatt2")

# Ten sentences for each emotion; the shuffle in make_demo.py says which are labelled.
SENTENCES: dict[str, tuple[str, ...]] = {
    "neutral": (
        "I have a meeting at work this morning.",
        "There is a book on my table.",
        "The train goes to the city at noon.",
        "My office is on the second floor.",
        "There are seven days in a week.",
        "Today is Monday and the store is open.",
        "I will send the report this afternoon.",
        "The bus stops in front of the library.",
        "We usually have lunch at the small cafe.",
        "I walk to work in the morning.",
    ),
    "angry": (
        "Stop shouting at me right now!",
        "I am so angry with you!",
        "You broke my phone again, get out!",
        "How dare you speak to my mother that way!",
        "This is unfair and I hate it!",
        "Leave me alone and shut the door!",
        "You lied to me and I am furious!",
        "I am tired of your stupid lies!",
        "Do not touch my car again!",
        "Give me back my money, you thief!",
    ),
    "happy": (
        "I am so happy to see you again!",
        "We won the game and everyone is happy!",
        "This is the best day of my life!",
        "I love this beautiful birthday party!",
        "She said yes, we are getting married!",
        "What a wonderful song, let us dance!",
        "The children are laughing in the garden.",
        "I got the job and I feel great!",
        "Thank you so much, I am very happy!",
        "We had a wonderful day at the beach!",
    ),
    "sad": (
        "I miss my old friend so much.",
        "My dog died last night.",
        "She left me and I feel so lonely.",
        "I cried all night after the funeral.",
        "Nobody came to see me in the hospital.",
        "I lost everything that I loved.",
        "It is so hard to say goodbye.",
        "He is gone and my heart is broken.",
        "I feel empty and sad today.",
        "We lost our home in the fire.",
    ),
    "worried": (
        "I am afraid that something bad will happen.",
        "What if the doctor finds something wrong?",
        "He is late and he does not answer his phone.",
        "I am worried about the exam tomorrow.",
        "I hope the children are safe in this storm.",
        "Maybe we do not have enough money for rent.",
        "I can not sleep because I am nervous.",
        "Do you think they will fire me?",
        "I am scared that we will miss the flight.",
        "Something is wrong, she should be home by now.",
    ),
    "surprise": (
        "Wow, I did not expect to see you here!",
        "Oh my God, is that really you?",
        "I can not believe that you came back!",
        "What, I really won the lottery?",
        "Really, you have a twin brother?",
        "Look, there is a horse in the kitchen!",
        "Wow, this box is full of gold!",
        "How did you get here so fast?",
        "You bought a new house, really?",
        "Wow, I can not believe this is true!",
    ),
}


@dataclass(frozen=True)
class Prosody:
    """Manner of speech of an emotion; each figure is a mean, and SPREAD gives its variation."""

    rate: float  # words a minute
    pitch: float  # espeak-ng pitch, 0..99 (50 is the voice's own)
    range: float  # pitch range, percent of the voice's own
    level: float  # loudness of the speech, dB relative to full scale (RMS)
    gap: float  # extra pause between words, units of 10 ms


PROSODY: dict[str, Prosody] = {
    "neutral": Prosody(158, 46, 90, -24, 0.4),
    "angry": Prosody(176, 50, 150, -16, 0.0),
    "happy": Prosody(168, 64, 160, -20, 0.2),
    "sad": Prosody(128, 34, 50, -28, 2.0),
    "worried": Prosody(150, 56, 80, -25, 1.4),
    "surprise": Prosody(160, 76, 190, -19, 0.5),
}
SPREAD = Prosody(9, 6, 18, 1.8, 0.5)


def draw_prosody(emotion: str, rng: np.random.Generator) -> Prosody:
    """A random manner of speech around the mean of the emotion."""
    mean = PROSODY[emotion]
    values = {name: getattr(mean, name) + getattr(SPREAD, name) * rng.normal() for name in vars(mean)}
    values["pitch"] = float(np.clip(values["pitch"], 5, 95))
    values["gap"] = max(values["gap"], 0.0)
    return Prosody(**values)


def _espeak(sentence: str, voice: str, prosody: Prosody) -> Array:
    """Speech in -1..1 at SAMPLE_RATE without the silence around it."""
    marked = f'<speak><prosody range="{round(prosody.range)}%">{sentence}</prosody></speak>'
    command = ["espeak-ng", "-m", "-v", voice, "-s", str(round(prosody.rate)), "-p", str(round(prosody.pitch))]
    command += ["-g", str(round(prosody.gap)), "--stdout", marked]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    # Written to a pipe, the header carries no true length: read the samples behind it.
    rate = int.from_bytes(raw[24:28], "little")
    samples = np.frombuffer(raw[44 : len(raw) - len(raw) % 2], "<i2").astype(np.float64) / 32768.0
    divisor = gcd(rate, SAMPLE_RATE)
    samples = resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor)
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return samples[loud[0] : loud[-1] + 1]


def speak(sentence: str, voice: str, prosody: Prosody, fps: int, rng: np.random.Generator) -> Array:
    """A finished sound in -1..1: silence, speech, silence; as long as a whole number of frames at `fps`.

    Speech too long for MAX_SECONDS is spoken again a little faster.
    """
    before, after = rng.uniform(0.12, 0.3, size=2)
    while True:
        speech = _espeak(sentence, voice, prosody)
        seconds = len(speech) / SAMPLE_RATE + before + after
        if seconds <= MAX_SECONDS - 0.1:
            break
        prosody = Prosody(**{**vars(prosody), "rate": prosody.rate * 1.06})
    fade = np.linspace(0.0, 1.0, SAMPLE_RATE // 100)
    speech[: len(fade)] *= fade
    speech[-len(fade) :] *= fade[::-1]
    speech *= 10 ** (prosody.level / 20) / np.sqrt(np.mean(speech**2))
    frames = int(np.ceil(max(seconds, MIN_SECONDS) * fps))
    sound = np.zeros(round(frames * SAMPLE_RATE / fps))
    start = round(before * SAMPLE_RATE)
    sound[start : start + len(speech)] = speech
    sound += 10 ** (rng.uniform(-66, -58) / 20) * rng.normal(size=len(sound))
    return np.tanh(sound * 1.1) / 1.1


def loudness(sound: Array, fps: int) -> Array:
    """Smoothed loudness of each frame, 0..1 relative to the loud parts of the same sound."""
    hop = SAMPLE_RATE // fps
    rms = np.sqrt(np.mean(sound[: len(sound) // hop * hop].reshape(-1, hop) ** 2, axis=1))
    level = np.clip(rms / (np.percentile(rms, 92) + 1e-9), 0.0, 1.0) ** 0.7
    return np.convolve(np.pad(level, 1, mode="edge"), [0.22, 0.56, 0.22], mode="valid")


def wav_bytes(sound: Array) -> bytes:
    """The sound as a 16-bit WAV file."""
    buffer = io.BytesIO()
    wavfile.write(buffer, SAMPLE_RATE, np.int16(np.clip(np.rint(sound * 32767), -32768, 32767)))
    return buffer.getvalue()
