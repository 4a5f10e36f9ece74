"""IEMOCAP from its download: ``subvideo-tgt/<name>.mp4`` (the speaker's half), both label files and transcripts.

python -m toolkit.preprocess.iemocap --raw_root /download/IEMOCAP_full_release --data_root /data --workers 8

The download holds, for Session1 to Session5, dialog/avi/DivX/<dialogue>.avi, dialog/transcriptions/<dialogue>.txt with
lines ``name [start-end]: text``, and dialog/EmoEvaluation/<dialogue>.txt. Every utterance is cut out of its dialogue
(frames with start <= time < end, encoded anew; --link has no meaning here), and the half with its speaker is kept: left
if the 6th character of the name (who sits left) and the 4th last (who speaks) agree, else right.

Labels: IEMOCAP_features_raw_4way.pkl and IEMOCAP_features_raw_6way.pkl, as the reference reads them, when they are in
the download or in the processed folder; else the majority labels of EmoEvaluation, with excited counted as happy among
the four classes. Transcripts have the column english.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.globals import CORPUS_LAYOUTS, EMOS_IEMOCAP_FOUR, EMOS_IEMOCAP_SIX, MISSING_VALENCE, CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_pickle import find_pickle, read_pickle
from toolkit.preprocess.raw_tables import read_lines
from toolkit.utils.errors import UserError, run_main

KEY = "whole_corpus"
_UTTERANCE = re.compile(r"(?P<name>\S+) \[(?P<start>\d+(\.\d+)?)-(?P<end>\d+(\.\d+)?)\]:(?P<text>.*)")
_EVALUATION = re.compile(r"\[[^]]*\]\s+(?P<name>\S+)\s+(?P<emotion>\w+)\s+\[")
_NAMES = {"hap": "happy", "sad": "sad", "neu": "neutral", "ang": "angry", "exc": "excited", "fru": "frustrated"}
# dataset -> (pickled table, classes, samples of the whole corpus there, and by EmoEvaluation)
SETS = {
    "IEMOCAPFour": ("IEMOCAP_features_raw_4way.pkl", EMOS_IEMOCAP_FOUR, 5531, 5531),
    "IEMOCAPSix": ("IEMOCAP_features_raw_6way.pkl", EMOS_IEMOCAP_SIX, 7433, 7380),
}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the dialogues' transcripts and the labels.

    Raises:
        UserError: no dialogue is there, a text file is not UTF-8, or a pickled table is wrong.
    """
    dialogues = sorted(raw_root.glob("Session[1-5]/dialog/transcriptions/S*.txt"))
    if not dialogues:
        raise UserError(
            f"{raw_root} lacks Session1/dialog/transcriptions/Ses*.txt (and those of Session2 to Session5); "
            "give the folder IEMOCAP_full_release as --raw_root"
        )
    clips: list[Clip] = []
    texts: dict[str, dict[str, str]] = {}
    problems: list[tuple[str, str]] = []
    remarks: list[tuple[str, str]] = []
    for path in dialogues:
        source = path.parent.parent / "avi" / "DivX" / f"{path.stem}.avi"
        for number, line in read_lines(path):
            match = _UTTERANCE.fullmatch(line)
            if match is None:
                remarks.append((path.stem, f"{path}, line {number} is no utterance with times; not used"))
            elif not (half := speaker_half(match["name"])):
                problems.append((match["name"], f"its name does not say who speaks ({path}, line {number})"))
            else:
                clips.append(Clip(match["name"], source, float(match["start"]), float(match["end"]), half))
                texts.setdefault(match["name"], {"english": match["text"].strip()})
    labels, known, notes = {}, {}, []
    for dataset, (table, classes, known_table, known_evaluation) in SETS.items():
        file = CORPUS_LAYOUTS[dataset].label
        found = find_pickle(table, (raw_root, paths.root))
        labels[file] = {KEY: _table_labels(found, classes) if found else _evaluation_labels(dialogues, classes)}
        known[file] = {KEY: known_table if found else known_evaluation}
        notes.append(f"{file}: labels of {found or 'EmoEvaluation (' + table + ' is not there)'}")
    return RawCorpus(clips, labels, known, texts, problems, remarks, notes)


def speaker_half(name: str) -> str:
    """Which half of the picture shows the speaker of an utterance: "left" or "right"; "" when the name does not say.

    In ``Ses01F_impro01_M003`` the woman sits left (6th character) and the man speaks (4th last): right.
    """
    if len(name) < 10 or name[5] not in "FM" or name[-4] not in "FM":
        return ""
    return "left" if name[5] == name[-4] else "right"


def _table_labels(path: Path, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Labels of a pickled table: videos in name order, as the reference has them."""
    table = read_pickle(path, splits=2)
    labels = {}
    for name, value, _ in table.of_videos(sorted(set().union(*table.splits))):
        if value not in range(len(classes)):
            raise UserError(f"{path}: the label of {name!r} is {value:g}, not one of 0 to {len(classes) - 1}")
        labels[name] = {"emo": int(value), "val": MISSING_VALENCE}
    return labels


def _evaluation_labels(dialogues: Sequence[Path], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Labels of ``EmoEvaluation``: dialogues in order of session and name, utterances in file order.

    Raises:
        UserError: a dialogue's file is missing, or names no utterance.
    """
    labels = {}
    for dialogue in dialogues:
        path = dialogue.parent.parent / "EmoEvaluation" / dialogue.name
        matches = [match for _, line in read_lines(path) if (match := _EVALUATION.match(line))]
        if not matches:
            raise UserError(f"{path}: no line of an evaluated utterance in it; unpack or download it again")
        for match in matches:
            emotion = _NAMES.get(match["emotion"], "")
            if emotion == "excited" and emotion not in classes:
                emotion = "happy"
            if emotion in classes:
                labels[match["name"]] = {"emo": classes.index(emotion), "val": MISSING_VALENCE}
    return labels


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "IEMOCAP", "IEMOCAPFour", read)


if __name__ == "__main__":
    run_main(main)
