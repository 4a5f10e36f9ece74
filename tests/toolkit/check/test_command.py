"""The command: exit status, text, page, workers, Ctrl-C, and sources that stay as they are."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from toolkit.check import findings
from toolkit.check.__main__ import main
from toolkit.check.findings import ERROR, MAX_EXAMPLES, RULES, WARNING, Part
from toolkit.check.workers import Failed, Workers
from toolkit.utils.errors import UserError


def state(root: Path) -> dict[str, tuple]:
    """Content and time of change of every file."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}


def run(corpus, *arguments: str) -> int:
    return main(["--dataset", corpus.dataset, "--data_root", str(corpus.root.parent), "--workers", "0", *arguments])


def test_exit_status_and_text(corpus, capsys, names):
    before = state(corpus.root)
    assert run(corpus) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[-1].startswith("in order: 9 parts checked in ") and text[1] == "8 clips, by label-6way.npz"
    assert "  train_corpus   neutral 1, angry 1, happy 1, sad 1, worried 1, surprise 1" in text
    assert "  frames         160 (all decoded)" in text and "  rate           10 fps" in text
    assert "  frames without a face 10.0% of 160" in text  # 18 of 20
    assert state(corpus.root) == before

    faces = corpus.face / names[0] / f"{names[0]}.npy"
    np.save(faces, np.zeros((0, 8, 8, 3), np.uint8))  # a warning
    os.utime(faces, (2000, 2000))
    assert run(corpus) == 0 and run(corpus, "--strict") == 1
    capsys.readouterr()
    (corpus.audio / f"{names[6]}.wav").unlink()  # an error
    assert run(corpus) == 1
    text = capsys.readouterr().out
    assert "ERROR          1 x no audio file\n" in text and names[6] in text
    assert text.splitlines()[-1].startswith("1 error, 1 warning: 9 parts checked in ")


def test_the_page(corpus, capsys, tmp_path, names):
    bad = "<script>alert(1)</script>"
    (corpus.video / f"{bad.replace('/', '')}.mp4").write_bytes(b"x")
    (corpus.audio / f"{names[0]}.wav").unlink()
    page = tmp_path / "report.html"
    assert run(corpus, "--html", str(page)) == 1
    text = page.read_text(encoding="utf-8")
    assert text.count("<script>") == 1 and "&lt;script&gt;alert(1)" in text
    assert not re.search(r"https?://|@import|url\(|src=", text)
    assert text.count("no audio file") == 2  # the summary, and the part
    links, ids = re.findall(r'href="#([^"]+)"', text), re.findall(r'id="([^"]+)"', text)
    assert len(links) == 10 and set(links) <= set(ids) and len(ids) == len(set(ids))
    assert capsys.readouterr().out.splitlines()[-1] == f"page: {page}"
    with pytest.raises(UserError, match="its folder does not exist"):
        run(corpus, "--html", str(tmp_path / "no" / "report.html"))
    with pytest.raises(UserError, match="end it in .html"):  # a slip of the hand must not cost the transcripts
        run(corpus, "--html", str(corpus.transcript))


def test_workers_find_what_one_process_finds(corpus, found, names):
    """50 clips more, so that the pool is used; the reports must not depend on who comes first."""
    for number in range(40):
        os.link(corpus.audio / f"{names[0]}.wav", corpus.audio / f"more{number:02d}.wav")
    (corpus.audio / "more07.wav").unlink()
    (corpus.audio / "more07.wav").write_text("x")
    alone, together = (found(corpus, kinds=["audio"], workers=workers) for workers in (0, 2))
    assert (
        alone
        == together
        == {
            ("audio", "audio_extra"): [40, *(f"more{number:02d}" for number in range(MAX_EXAMPLES))],
            ("audio", "audio_unreadable"): [1, "more07"],
        }
    )


def test_unknown_names(corpus):
    with pytest.raises(UserError, match="--parts audios: no such part; choose from labels, videos"):
        run(corpus, "--parts", "audios,faces")
    with pytest.raises(UserError, match="mer2023-dataset-process does not exist"):
        main(["--dataset", "MER2023", "--data_root", str(corpus.root.parent)])
    with pytest.raises(ValueError, match="unknown dataset 'NONE'"):
        main(["--dataset", "NONE", "--data_root", str(corpus.root.parent)])


def crash_or_square(number: int) -> int:
    if number == 21:
        os._exit(1)
    if number == 33:
        raise ValueError("a  bad\nnumber")
    return number * number


def test_one_item_that_kills_its_worker_costs_no_other():
    with Workers(2, progress=False) as pool:
        results = dict(pool.each(crash_or_square, list(range(60)), "x"))
        again = dict(pool.each(crash_or_square, list(range(40, 80)), "x"))  # with a new pool
    assert results.pop(21) == Failed("the process that read it died")
    assert results.pop(33) == Failed("ValueError: a bad number")
    assert results == {number: number**2 for number in range(60) if number not in (21, 33)}
    assert again == {number: number**2 for number in range(40, 80)}


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
def test_ctrl_c_leaves_no_process(corpus, tmp_path):
    names = tmp_path / "pids"
    names.mkdir()
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom toolkit.check.workers import Workers\n"
        "def slow(path):\n    Path(path, str(os.getpid())).touch()\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    from toolkit.utils.errors import run_main\n"
        "    def main(argv):\n        with Workers(2, False) as pool:\n"
        "            list(pool.each(slow, [sys.argv[1]] * 100, 'x'))\n    run_main(main)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), str(names)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list(names.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    pids = [int(path.name) for path in names.iterdir()]
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert len(pids) == 2 and process.returncode == 130 and "Traceback" not in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids if Path("/proc/self").exists())


def test_the_table_of_findings():
    assert {rule.severity for rule in RULES.values()} == {ERROR, WARNING}
    texts = [rule.title for rule in RULES.values()]
    assert len(set(texts)) == len(texts) and all(
        rule.fix and rule.title[0] == rule.title[0].lower() or rule.title[:3] == "NaN" for rule in RULES.values()
    )
    sources = Path(findings.__file__).parent.glob("*.py")
    used = set(
        re.findall(r'"((?:label|video|audio|face|text|feature|check)_\w+)"', "".join(p.read_text() for p in sources))
    )
    assert set(RULES) <= used
    page = (Path(findings.__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
    assert [rule.title for rule in RULES.values() if rule.title not in page] == []


def test_a_part_keeps_counts_and_the_first_examples_only():
    part = Part("audio", "audio", "x")
    for number in reversed(range(1000)):
        part.add("audio_missing", f"n{number:03d}\n", "why\x1b")
    finding = part.findings["audio_missing"]
    assert finding.count == 1000 and part.count(ERROR) == 1000 and part.count(WARNING) == 0
    assert finding.examples == [(f"n{number:03d}\\n", "why\\x1b") for number in range(MAX_EXAMPLES)]
    with pytest.raises(KeyError):
        part.add("no_such_rule", "a")


def test_help_imports_nothing_heavy():
    code = (
        "import runpy, sys\nsys.argv = ['check', '--help']\n"
        "try: runpy.run_module('toolkit.check', run_name='__main__')\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'av', 'cv2', 'soundfile', 'pandas', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "--strict" in done.stdout


def test_a_page_that_is_a_folder_is_refused_before_the_work(corpus, tmp_path, capsys):
    (tmp_path / "pages.html").mkdir()
    with pytest.raises(UserError, match=r"pages\.html: is a folder; name a file in it"):
        run(corpus, "--html", str(tmp_path / "pages.html"))
    assert capsys.readouterr().out == ""


def test_parts_that_were_not_asked_for_do_not_fail(corpus, capsys):
    corpus.label.write_bytes(b"damaged")
    assert run(corpus, "--parts", "videos") == 0  # the videos themselves say which clips there are
    text = capsys.readouterr().out
    assert text.splitlines()[-1].startswith("in order: 1 parts checked in ")
    assert "the label file" not in text
    assert run(corpus, "--parts", "labels,videos") == 1


def test_the_size_of_the_whole_corpus_is_told(corpus, capsys):
    run(corpus, "--parts", "labels")
    assert "  whole corpus   train_corpus 5,030, test1_corpus 115,595" in capsys.readouterr().out.splitlines()
