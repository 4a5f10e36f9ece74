"""docs/architecture.svg: small, whole, by itself, and about modules and scripts that exist."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 20_000  # bytes


@pytest.fixture(scope="module")
def picture(repository):
    return repository / "docs/architecture.svg"


@pytest.fixture(scope="module")
def root(picture):
    return ElementTree.parse(picture).getroot()


def test_it_is_a_small_picture_that_needs_nothing_else(picture, root):
    text = picture.read_text(encoding="utf-8")
    assert root.tag == f"{SVG}svg" and len(text.encode()) < LARGEST
    assert root.find(f"{SVG}title").text and root.find(f"{SVG}desc").text  # what a screen reader says
    assert "href" not in text and "<image" not in text and "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_everything_lies_inside_and_words_fit_their_boxes(root):
    width, height = float(root.get("width")), float(root.get("height"))
    boxes = [tuple(float(box.get(key, 0)) for key in ("x", "y", "width", "height")) for box in root.iter(f"{SVG}rect")]
    assert len(boxes) > 20
    for x, y, wide, high in boxes:
        assert 0 <= x and x + wide <= width and 0 <= y and y + high <= height
    for text in root.iter(f"{SVG}text"):
        x, y = float(text.get("x")), float(text.get("y"))
        around = [box for box in boxes[1:] if box[0] < x < box[0] + box[2] and box[1] < y < box[1] + box[3]]
        letter = 5.5 if "small" in text.get("class") else 7.4  # pixels, about
        for box in around:
            assert len(text.text) * letter <= box[2] + 4, text.text


def test_modules_and_scripts_of_the_picture_exist(root, repository):
    said = " ".join(text.text for text in root.iter(f"{SVG}text"))
    modules = set(re.findall(r"\b(toolkit\.\w+)", said))
    assert {"toolkit.data", "toolkit.train", "toolkit.models", "toolkit.check"} <= modules
    missing = [name for name in modules if not (repository / name.replace(".", "/")).is_dir()]
    scripts = re.findall(r"[\w-]+\.py\b", said)
    code = {path.name for folder in ("toolkit", "feature_extraction") for path in (repository / folder).rglob("*.py")}
    code |= {path.name for path in repository.glob("*.py")}
    assert missing + [name for name in scripts if name not in code] == []
