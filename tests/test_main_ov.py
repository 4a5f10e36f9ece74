"""main-ov.py from the command line, on the example of the repository."""

import os
import subprocess
import sys
import zipfile

import pytest

from toolkit.globals import PATH_TO_REPOSITORY

EXAMPLE = PATH_TO_REPOSITORY / "ov_store"
CSVS = ("--gt_csv", str(EXAMPLE / "check-openset.csv"), "--pred_csv", str(EXAMPLE / "predict-openset.csv"))

WITHOUT_OPENAI = """
import runpy, sys
sys.modules["openai"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _run(*arguments, folder=None):
    """Without keys, with a proxy that leads nowhere, and without the chat client: whoever needs one of them fails."""
    hidden = {"OPENAI_API_KEY", "OPENAI_BASE_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", WITHOUT_OPENAI, str(PATH_TO_REPOSITORY / "main-ov.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.parametrize(
    ("flags", "accuracy", "recall", "average"),
    [
        ((), "0.6666666666666666", "0.7083333333333333", "0.6875"),
        (("--label_parser", "literal"), "0.65625", "0.6770833333333333", "0.6666666666666666"),
        (("--grouping=exact",), "0.10416666666666666", "0.11458333333333333", "0.109375"),
    ],
)
def test_the_example_of_the_readme(flags, accuracy, recall, average):
    done = _run("main_metric", *CSVS, *flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(
        f"process number (after filter):  16\nset level accuracy: {accuracy}; recall: {recall}\navg score: {average}\n"
    )
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert accuracy in readme and recall in readme and average in readme


def test_the_example_unpacked_and_from_elsewhere(tmp_path):
    with zipfile.ZipFile(EXAMPLE / "openset-synonym.zip") as file:
        file.extractall(tmp_path)
    (tmp_path / "2024").mkdir()
    (tmp_path / "openset-synonym").rename(tmp_path / "2024" / "it's $5")
    root = ("--synonym_root", "2024/it's $5", "--out", "2024")
    done = _run("calculate_openset_overlap_rate_mer2024", *CSVS, *root, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == "avg score: 0.6875"
    assert len((tmp_path / "2024" / "samples.csv").read_text(encoding="utf-8").splitlines()) == 17


def test_the_embedded_lexicon_scores_the_example():
    done = _run("main_metric", *CSVS, "--grouping", "wheel")
    assert done.returncode == 0, done.stderr
    assert "GROUPING: embedded lexicon\n" in done.stdout
    score = float(done.stdout.splitlines()[-1].removeprefix("avg score: "))
    assert score > 0.3  # exact match: 0.11, the replies: 0.69


def test_the_example_passes_its_own_check():
    done = _run("check", "--csv", CSVS[3], "--gt_csv", CSVS[1])
    assert done.returncode == 0, done.stdout
    assert "16 samples, 30 labels" in done.stdout and "0 errors, 2 warnings" in done.stdout


def test_bad_input_is_one_sentence_and_status_2(tmp_path):
    (tmp_path / "p.csv").write_text("name,label\na,x\n")
    done = _run("main_metric", *CSVS[:2], "--pred_csv", str(tmp_path / "p.csv"))
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'p.csv'}: column openset is missing; columns there: name, label\n"


def test_help_lists_the_functions_and_their_flags():
    assert "calculate_openset_overlap_rate_mer2024: " in _run("--help").stdout
    shown = _run("main_metric", "--help")
    assert "--synonym_root" in shown.stdout + shown.stderr
