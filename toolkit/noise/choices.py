"""What SNRs, blur rates and video codecs there are to choose from."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.utils.errors import UserError

VIDEO_CODECS = ("mpeg4", "libx264", "copy_when_sharp")
LARGEST_SNR = 1000  # dB, either sign: the clean sound, the noise alone
LARGEST_BLUR = 64


def check_snrs(snrs: Sequence[int], name: str) -> None:
    """Raises `UserError`, which calls them `name`, for no SNR or one beyond 1000 dB."""
    if not snrs:
        raise UserError(f"{name}: give integers, e.g. 5 or 5,6,7")
    for snr in snrs:
        if not -LARGEST_SNR <= snr <= LARGEST_SNR:
            raise UserError(f"{name}: {snr} dB is outside -{LARGEST_SNR}..{LARGEST_SNR}; usual are 5 to 10")


def check_blurs(rates: Sequence[int], name: str) -> None:
    """Raises `UserError`, which calls them `name`, for a rate that is no power of two up to 64 (1 = sharp)."""
    for rate in rates:
        if not 1 <= rate <= LARGEST_BLUR or rate & (rate - 1):
            raise UserError(
                f"{name}: {rate} is no power of two from 1 to {LARGEST_BLUR}; usual rates are 1 (sharp), 2 and 4"
            )
