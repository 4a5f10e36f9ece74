"""Links between the pages lead somewhere, and every page can be reached."""

import re

import pytest

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")
MENTION = re.compile(r"`(docs/[\w.-]+\.md)`")


def _prose(page):
    return re.sub(r"(?ms)^```.*?^```", "", page.text)


def _links(page):
    return [found[0] or found[1] for found in LINK.findall(_prose(page))]


def _anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text))
    plain = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def test_anchors_are_those_of_the_web():
    assert _anchors("# Is it? `python -m x.y`\n## Two words\n```\n# no heading\n```\n") == {
        "is-it-python--m-xy",
        "two-words",
    }


def test_relative_links_resolve(pages, repository):
    broken = []
    for name, page in pages.items():
        for link in _links(page):
            place, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", place):
                continue
            target = (page.path.parent / place).resolve() if place else page.path
            if not target.exists() or not target.is_relative_to(repository):
                broken.append(f"{name}: {link}")
            elif anchor and anchor not in _anchors(target.read_text(encoding="utf-8")):
                broken.append(f"{name}: {link} (no such heading)")
        broken += [f"{name}: {path}" for path in MENTION.findall(page.text) if not (repository / path).is_file()]
    assert not broken, "\n".join(["", *broken])


@pytest.mark.parametrize("index", ["docs/README.md", "README.md"])
def test_every_page_is_linked_from_the_index(index, pages, repository):
    targets = {(pages[index].path.parent / link.partition("#")[0]).resolve() for link in _links(pages[index])}
    wanted = {page.path for name, page in pages.items() if name.startswith("docs/") and name != index}
    missing = sorted(path.name for path in wanted - targets)
    assert not missing, f"{index} does not link {', '.join(missing)}"


def test_code_that_the_pages_speak_of_is_there(pages, repository):
    """Paths between backticks: of our folders, without wildcards and placeholders."""
    path = re.compile(r"`((?:toolkit|feature_extraction|tests|benchmarks|demo|docs)/[\w./-]+\.(?:py|yaml|md|csv|svg))`")
    made = re.compile(r"<!-- file: (\S+)")  # what the reader of a page makes
    wrong = []
    for name, page in pages.items():
        written = set(made.findall(page.text))
        wrong += [
            f"{name}: {found}"
            for found in path.findall(page.text)
            if found not in written and not (repository / found).exists()
        ]
    assert not wrong, "\n".join(["", *wrong])
