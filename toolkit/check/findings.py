"""ONE table of everything the check can find: how grave it is, how it is worded, and what to do about it.

An error is what a later step stops at or fails on; a warning is what it copes with, but hardly what was meant. A part
of the corpus that is not there at all (no audio folder, say) is a warning, because nobody needs all parts; a part with
holes is an error.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from toolkit.preprocess.batch import printable

ERROR, WARNING = "error", "warning"
MAX_EXAMPLES = 5  # kept and shown of each kind, the first in name order


@dataclass(frozen=True)
class Rule:
    """One kind of finding: `severity`, `title` (what is wrong, for any number of clips) and `fix`."""

    severity: str
    title: str
    fix: str


def _rules(severity: str, *rows: tuple[str, str, str]) -> dict[str, Rule]:
    return {code: Rule(severity, title, fix) for code, title, fix in rows}


_EXTRACT = "extract them again (finished clips are skipped; remove the files first, or give --overwrite)"
_AUDIO = "run python -m toolkit.preprocess.audio"
_AUDIO_AGAIN = f"remove the wav and {_AUDIO}"
_FACES = "run feature_extraction/visual/extract_openface.py"
_FACES_AGAIN = f"remove the folder of the clip and {_FACES}"
_ASR = "run main-asr.py, or add the row"

RULES: dict[str, Rule] = {
    # ------------------------------------------------------------ labels
    **_rules(
        ERROR,
        ("label_file", "the label file cannot be used", "make it again with the corpus' preprocess command"),
        ("label_key", "a split of this corpus is not in the label file", "make the label file again"),
        ("label_emotion", "unknown emotion", "correct the label; the corpus' classes are listed above"),
        ("label_valence", "the valence is no finite number", "correct the label"),
        ("label_twice", "in two splits of the label file", "keep one: a test clip in training spoils the score"),
    ),
    **_rules(
        WARNING,
        ("label_valence_missing", "no valence (-10), though this corpus trains on it", "add it, or leave the clip out"),
        ("label_class_empty", "no training sample of a class", "the class can never be predicted"),
    ),
    # ------------------------------------------------------------ videos
    **_rules(
        WARNING,
        ("video_folder", "no video folder", "needed by the audio and face steps only"),
        ("video_no_sound", "no sound in the video", "it gives no audio file; its features cannot be extracted"),
        (
            "video_length",
            "the declared length is not the real one",
            "copy the file again, or live with it: frames are decoded here, not counted by it",
        ),
        ("video_damaged", "damaged or cut off", "copy the file again from its source"),
        ("video_streams", "pictures and sound differ in length", "look at the clip"),
        ("video_extra", "a video that the label file does not name", "it is not used"),
        ("video_other", "a file that is no video", "it is not used"),
        (
            "video_dropped",
            "named in failures.csv of the preprocess command",
            "mend what the reason says and run the preprocess command again",
        ),
    ),
    **_rules(
        ERROR,
        ("video_missing", "no video", "copy it, or take the clip out of the label file"),
        ("video_unreadable", "cannot be read as a video", "copy the file again from its source"),
        ("video_twice", "two videos of one name", "keep one of them"),
    ),
    # ------------------------------------------------------------ audio
    **_rules(
        WARNING,
        ("audio_folder", "no audio folder", _AUDIO),
        ("audio_format", "not 16 kHz, mono, 16 bit", f"it is converted while reading; better: {_AUDIO_AGAIN}"),
        ("audio_length", "not as long as the sound of the video", _AUDIO_AGAIN),
        ("audio_silent", "silent (no sample above -60 dB)", "its audio features say nothing"),
        ("audio_clipped", "clipped (over 0.1% of the samples at full scale)", "listen to it"),
        ("audio_stale", "older than its video", _AUDIO_AGAIN),
        ("audio_extra", "a sound file that the label file does not name", "it is not used"),
    ),
    **_rules(
        ERROR,
        ("audio_missing", "no audio file", _AUDIO),
        ("audio_unreadable", "cannot be read as sound, or holds none", _AUDIO_AGAIN),
        ("audio_cut", "cut short: the header announces more than there is", _AUDIO_AGAIN),
        ("audio_not_finite", "NaN or infinity among the samples", _AUDIO_AGAIN),
        ("audio_twice", "two sound files of one name", "keep one of them"),
    ),
    # ------------------------------------------------------------ faces
    **_rules(
        WARNING,
        ("face_folder", "no face folder", _FACES),
        ("face_empty", "no face in the whole clip", "its visual features are zero"),
        ("face_few", "more than half of the frames without a face", "look at the clip"),
        ("face_black", "black pictures instead of a face", _FACES_AGAIN),
        ("face_csv", "the csv beside the faces does not fit them", _FACES_AGAIN),
        ("face_stale", "faces older than the video", _FACES_AGAIN),
        ("face_extra", "faces of a clip that the label file does not name", "they are not used"),
    ),
    **_rules(
        ERROR,
        ("face_missing", "no face file", f"{_FACES} (--allow_empty gives clips without a face an empty array)"),
        ("face_unreadable", "cannot be read as an array", _FACES_AGAIN),
        ("face_shape", "not uint8 (T, H, W, 3)", _FACES_AGAIN),
    ),
    # ------------------------------------------------------------ transcripts
    **_rules(
        WARNING,
        ("text_file_missing", "no transcript file", _ASR),
        ("text_empty", "empty transcript", "its text features are zero"),
        ("text_extra", "a row that the label file does not name", "it is not used"),
        ("text_repeated", "the same text as other clips", "a recogniser repeats itself on noise; listen to them"),
    ),
    **_rules(
        ERROR,
        ("text_file", "the transcript file cannot be used", "correct the file"),
        ("text_missing", "not transcribed", _ASR),
        ("text_name", "a row whose name cannot be used", "correct the row"),
        ("text_twice", "two rows of one name", "keep one of them"),
    ),
    # ------------------------------------------------------------ features
    **_rules(
        WARNING,
        ("feature_none", "no feature folder", "run the extraction scripts"),
        ("feature_name", "a folder whose name ends in none of -UTT, _UTT, -FRA, _FRA", "no command reads it"),
        ("feature_pair", "a folder in both spellings", "only the one whose name is given is read; remove the other"),
        ("feature_zero", "all values are zero", "right for clips without a face or text, else extract them again"),
        ("feature_outlier", "values far from those of the other clips", "look at the clip and at its source"),
        ("feature_same", "exactly the values of another clip", "look whether the clips are the same"),
        ("feature_dtype", "another number type than most files", _EXTRACT),
        ("feature_rows", "several rows in an utterance folder", "they are averaged; frame features belong into -FRA"),
        ("feature_stale", "older than its source", _EXTRACT),
        ("feature_manifest", "the manifest does not fit the folder", "extract all of it again with --overwrite"),
        ("feature_extra", "a feature that the label file does not name", "it is not used"),
    ),
    **_rules(
        ERROR,
        ("feature_missing", "no feature", "run the extraction again; finished clips are skipped"),
        ("feature_unreadable", "not a readable array of numbers", _EXTRACT),
        ("feature_shape", "not (D,) or (T, D), or empty", _EXTRACT),
        ("feature_width", "another width than most files", _EXTRACT),
        ("feature_nan", "NaN or infinity", _EXTRACT),
    ),
    # ------------------------------------------------------------ the check itself
    **_rules(
        ERROR, ("check_failed", "the check itself failed on it", "look at the file, and report it if that is in order")
    ),
}


def shown(text: str) -> str:
    """`text` on one line that any terminal can print: other characters are written as escapes."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in printable(text)
    )


@dataclass
class Finding:
    """How often a rule was broken, and the first clips in name order as (name, detail)."""

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Part:
    """One part of the report, with flat memory: facts as (label, value), and per code a `Finding`.

    Attributes:
        kind: "labels", "videos", "audio", "faces", "transcripts" or "features".
        title: the part's name; of a feature folder its own name.
        place: the file or folder.
    """

    kind: str
    title: str
    place: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    def fact(self, label: str, value: object) -> None:
        """Add a line of facts."""
        self.facts.append((label, shown(str(value))))

    def add(self, code: str, name: str, detail: str = "") -> None:
        """Note that the rule `code` is broken by `name` (a clip, a class, a folder)."""
        if code not in RULES:
            raise KeyError(code)
        finding = self.findings.setdefault(code, Finding())
        finding.count += 1
        insort(finding.examples, (shown(name), shown(detail)))
        del finding.examples[MAX_EXAMPLES:]

    def sorted_findings(self) -> list[tuple[str, Finding]]:
        """Errors first, then in the order of the table."""
        order = {code: (rule.severity != ERROR, number) for number, (code, rule) in enumerate(RULES.items())}
        return sorted(self.findings.items(), key=lambda entry: order[entry[0]])

    def count(self, severity: str) -> int:
        """How many findings of `severity` there are."""
        return sum(finding.count for code, finding in self.findings.items() if RULES[code].severity == severity)
