"""Mixing: the reference's vectors, the exact edges, and the SNR that comes out."""

import json
from pathlib import Path

import numpy as np
import pytest

from toolkit.noise import mix
from toolkit.noise.mix import mix_at_snr, root_mean_square

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "functions.json").read_text(encoding="utf-8"))
RNG = np.random.default_rng(1)
SPEECH = (RNG.normal(size=20000) * 2500).astype(np.int16)
NOISE = RNG.integers(-9000, 9000, 20000).astype(np.int16)


@pytest.mark.parametrize("case", GOLDEN["mix_at_snr"], ids=lambda case: f"{case['snr']} dB, peak {max(case['clean'])}")
def test_equals_the_reference(case):
    clean, noise = (np.array(case[key], np.int16) for key in ("clean", "noise"))
    assert mix_at_snr(clean, noise, case["snr"]).samples.tolist() == case["output"]


@pytest.mark.parametrize("snr", [-5, 0, 5, 7, 10, 20])
def test_measured_snr_is_the_one_asked_for(snr):
    mixture = mix_at_snr(SPEECH, NOISE, snr)
    added = mixture.samples / mixture.scale - SPEECH
    independent = 10 * np.log10(np.mean(SPEECH.astype(float) ** 2) / np.mean(added**2))
    assert mixture.measured_snr == pytest.approx(independent, abs=1e-9)
    assert abs(independent - snr) < 0.05
    assert mixture.scale == 1.0 or snr < 5


def test_plus_1000_db_is_the_clean_signal():
    mixture = mix_at_snr(SPEECH, NOISE, 1000)
    assert np.array_equal(mixture.samples, SPEECH) and mixture.scale == 1.0


def test_minus_1000_db_is_the_scaled_noise():
    noise = NOISE.copy()
    noise[7] = 9000  # a single peak
    noise[8] = -8990
    mixture = mix_at_snr(SPEECH, noise, -1000)
    assert np.abs(mixture.samples - noise * (32767 / 9000)).max() <= 1
    assert mixture.samples.max() in (32766, 32767)


def test_zero_db_by_hand():
    # rms 1000 and 500: the noise is doubled; 1000 + 1000 and 1000 - 1000
    mixture = mix_at_snr(np.full(4, 1000, np.int16), np.array([500, -500, 500, -500], np.int16), 0)
    assert mixture.samples.tolist() == [2000, 0, 2000, 0] and mixture.gain == 2.0 and mixture.measured_snr == 0.0


@pytest.mark.parametrize(("sign", "peak"), [(1, 32767), (-1, -32768)])
def test_the_larger_peak_fits_exactly(sign, peak):
    clean = np.array([30000, -100, 100, 50], np.int16) * sign
    mixture = mix_at_snr(clean, clean, 0)  # doubled: 60000
    assert mixture.scale == pytest.approx(abs(peak) / 60000)
    assert mixture.samples[0] in (peak, peak - sign)


def test_chunks_change_nothing(monkeypatch):
    whole = mix_at_snr(SPEECH, NOISE, 3)
    monkeypatch.setattr(mix, "_CHUNK", 777)
    cut = mix_at_snr(SPEECH, NOISE, 3)
    assert np.array_equal(whole.samples, cut.samples) and (whole.gain, whole.scale) == (cut.gain, cut.scale)
    own = NOISE.copy()
    assert mix_at_snr(SPEECH, own, 3, out=own).samples is own and np.array_equal(own, whole.samples)


def test_rms_of_extremes_does_not_overflow():
    assert root_mean_square(np.full(100000, -32768, np.int16)) == 32768.0
    assert root_mean_square(np.zeros(0, np.int16)) == 0.0


@pytest.mark.parametrize(("clean", "noise"), [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([1, 2, 3], [1, 2])])
def test_what_has_no_snr_is_refused(clean, noise):
    with pytest.raises(ValueError, match="silence|shape"):
        mix_at_snr(np.array(clean, np.int16), np.array(noise, np.int16), 5)
