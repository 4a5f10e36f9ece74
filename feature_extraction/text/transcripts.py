"""Which transcript is read, and what the feature is called then."""

from __future__ import annotations

from pathlib import Path

from toolkit.utils.errors import UserError

INFIX = {"chinese": "", "english": "-langeng"}  # column of the transcript csv -> infix of the feature folder


def feature_stem(model_name: str, language: str, punc_case: str | None = None) -> str:
    """The folder stem: ``<model>``, ``<model>-langeng``, ``<model>-punccase1``, ``<model>-langeng-punccase1``."""
    return model_name + INFIX[language] + (f"-punc{punc_case}" if punc_case else "")


def transcript_variant(transcript: Path, punc_case: str | None) -> Path:
    """The csv to read: `transcript` itself, or ``<its name>-<punc_case>.csv`` beside it (the reference's naming).

    Raises:
        UserError: there is no such variant; the message lists those that exist.
    """
    if not punc_case:
        return transcript
    variant = transcript.with_name(f"{transcript.stem}-{punc_case}.csv")
    if not variant.is_file():
        prefix = f"{transcript.stem}-"
        stems = sorted(path.stem for path in transcript.parent.glob("*.csv"))
        cases = [stem.removeprefix(prefix) for stem in stems if stem.startswith(prefix)]
        raise UserError(
            f"{variant} does not exist: --punc_case {punc_case} reads the transcripts from it (columns name, chinese); "
            f"variants there: {', '.join(cases) or 'none'}"
        )
    return variant
