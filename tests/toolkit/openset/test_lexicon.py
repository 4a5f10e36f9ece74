"""The embedded lexicon: its tables, word forms, negation, degree, unknown words, the user's csv, and partitions."""

import csv
import random
import subprocess
import sys
import unicodedata
from collections import Counter

import pytest

from toolkit.globals import PATH_TO_REPOSITORY
from toolkit.openset.lexicon import load_lexicon
from toolkit.openset.lexicon_table import CLUSTERS_CSV, WORDS_CSV, normalise, read_clusters, read_words
from toolkit.utils.errors import UserError


@pytest.fixture(scope="module")
def lexicon():
    return load_lexicon()


def _rows():
    with open(WORDS_CSV, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_no_word_stands_twice_and_all_are_lower_case_nfkc():
    rows = _rows()
    assert list(rows[0]) == ["word", "language", "cluster", "emotion"]
    for row in rows:
        assert all(text == unicodedata.normalize("NFKC", text).lower().strip() != "" for text in row.values()), row
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in row["word"])
        assert row["language"] == ("zh" if chinese else "en"), row
    counts = Counter((row["language"], normalise(row["word"])) for row in rows)
    assert [word for word, count in counts.items() if count > 1] == []


def test_both_languages_are_covered_widely():
    languages = Counter(row["language"] for row in _rows())
    assert languages["en"] >= 5000 and languages["zh"] >= 4500
    per_cluster = Counter((row["cluster"], row["language"]) for row in _rows())
    assert {name for name, _ in per_cluster} == set(read_clusters())
    assert min(per_cluster[name, language] for name in read_clusters() for language in ("en", "zh")) >= 15


def test_every_finer_emotion_is_in_one_cluster():
    pairs = {(row["emotion"], row["cluster"]) for row in _rows()}
    assert max(Counter(emotion for emotion, _ in pairs).values()) == 1


def test_the_table_of_clusters_is_consistent():
    clusters = read_clusters()
    for name, row in clusters.items():
        assert row.valence in (-1, 0, 1) and row.arousal in (-1, 0, 1)
        assert row.opposite is None or (row.opposite in clusters and row.opposite != name)
    assert clusters["joy"].valence == 1 and clusters["fear"].valence == clusters["sadness"].valence == -1
    assert clusters["displeasure"].arousal == 1 and clusters["sadness"].arousal == -1
    assert CLUSTERS_CSV.parent == WORDS_CSV.parent


def test_every_listed_word_is_found_in_its_own_cluster(lexicon):
    wrong = [row for row in _rows() if lexicon.cluster(row["word"]) != row["cluster"]]
    assert wrong == []


def test_groups_worked_by_hand_in_english(lexicon):
    labels = ["happy", "worried", "joyful", "angry", "zxqv", "nervous", "dissatisfied", "delighted", "surprised"]
    assert lexicon.groups(labels) == [
        ["happy", "joyful", "delighted"],
        ["worried", "nervous"],
        ["angry", "dissatisfied"],
        ["zxqv"],
        ["surprised"],
    ]


def test_groups_worked_by_hand_in_chinese_and_across_languages(lexicon):
    assert lexicon.groups(["开心", "有点生气", "难过", "愉快", "不高兴", "担忧", "happy", "sad"]) == [
        ["开心", "愉快", "happy"],
        ["有点生气", "不高兴"],
        ["难过", "sad"],
        ["担忧"],
    ]


FORMS = [
    ("joy", "happily happiness joyfully enjoying enjoyed delightedly excitedly satisfies pleasantly"),
    ("displeasure", "angrily angered irritatedly annoys annoyingly complained frustratedly accusingly"),
    ("fear", "fearfully frightened frightening anxiously worries worryingly nervousness uneasily panicking"),
    ("sadness", "sadly saddest sorrows grieved depressingly hopelessly helplessly lonelier mournfully"),
    ("doubt", "confusedly puzzlingly bewilders doubts doubtfully suspiciously hesitated uncertainly"),
    ("surprise", "surprisingly astonishes amazedly shockingly stunningly"),
    ("confidence", "confidently bravely courageously resolutely persisted"),
    ("guilt", "regretfully remorsefully apologetically guiltily"),
    ("boredom", "boringly tiredly exhaustedly wearily"),
]


@pytest.mark.parametrize(("cluster", "words"), FORMS, ids=[cluster for cluster, _ in FORMS])
def test_word_forms(lexicon, cluster, words):
    assert {word: lexicon.cluster(word) for word in words.split()} == dict.fromkeys(words.split(), cluster)


NEGATION = {
    "not happy": "displeasure",
    "not very happy": "displeasure",
    "isn't happy": "displeasure",
    "not at ease": "fear",
    "never sad": "calm",
    "no longer angry": "calm",
    "lack of confidence": "doubt",
    "lost confidence": "doubt",
    "without hope": "sadness",
    "uninspired": "displeasure",
    "not afraid": "ease",
    "not sad but angry": "displeasure",
    "don't believe": "surprise",
    "t believe": "surprise",  # what reading by quotes leaves of it
    "unhappy": "displeasure",
    "不高兴": "displeasure",
    "不太开心": "displeasure",
    "不是很开心": "displeasure",
    "高兴不起来": "displeasure",
    "没有生气": "calm",
    "没信心": "doubt",
    "别担心": "ease",
    "不用担心": "ease",
    "对此并不担心": "ease",
    "不满": "displeasure",
    "非常高兴": "joy",  # 非 is part of 非常 here, no denial
    "别人开心": "joy",
    "can't help laughing": "joy",  # denies nothing
    "couldn't help but smile": "joy",
    "忍不住笑": "joy",
    "生气勃勃": "joy",  # 生气 (angry) inside
    "无法平静": "fear",
    "不平静": "fear",
    "难以平静": "fear",
    "invaluable": "joy",
    "infamous": "contempt",
    "I am not sad, I am happy": "joy",
    "I am not sad but happy": "joy",
    "not happy or excited": "displeasure",  # one denial for both
    "not sad, happy": "calm",
    "不是难过,而是开心": "joy",
    "我不难过，我很开心": "joy",
}


@pytest.mark.parametrize("label", NEGATION)
def test_negation_leads_to_the_opposite(lexicon, label):
    assert lexicon.cluster(label) == NEGATION[label]


def test_a_denied_word_without_an_opposite_never_stands_with_the_word(lexicon):
    assert lexicon.cluster("thinking") == "thinking" and lexicon.cluster("not thinking") is None
    assert lexicon.groups(["jealous", "not jealous"]) == [["jealous"], ["not jealous"]]


@pytest.mark.parametrize(
    "label",
    ["worried", "slightly worried", "very worried", "a bit worried", "feeling worried", "extremely worried about him",
     "filled with worry", "deep sense of worry", "worried or nervous", "有点担心", "非常担心", "担心的情绪",
     "感到一丝担心", "对未来充满担心", "担心、焦虑", "略带担心地"],
)  # fmt: skip
def test_degree_and_frame_words_do_not_matter(lexicon, label):
    assert lexicon.cluster(label) == "fear"


PHRASES = {
    "filled with hope": "hope",
    "looking forward to": "hope",
    "helpless anger": "displeasure",  # the head stands last
    "sad because of the anger": "sadness",  # and before a preposition
    "happy and nervous": "joy",  # the first of two
    "angry/sad": "displeasure",
    "angry, sad": "displeasure",
    "willing to help others": "warmth",
    "对未来充满希望": "hope",
    "愤怒和悲伤": "displeasure",
    "因失败而难过": "sadness",
    "又惊又喜": "surprise",
    "開心": "joy",  # traditional characters
    "有點難過": "sadness",
    "开心（happy）": "joy",
}


@pytest.mark.parametrize("label", PHRASES)
def test_phrases(lexicon, label):
    assert lexicon.cluster(label) == PHRASES[label]


@pytest.mark.parametrize(
    "label",
    [
        "self-blame",
        "self blame",
        "selfblame",
        " self-blame ",
        "Self‑Blame",
        "ｓｅｌｆ－ｂｌａｍｅ",
        "self_blame!",
        "self  blame",
    ],
)
def test_blanks_hyphens_case_and_full_width_letters(lexicon, label):
    assert lexicon.cluster(label) == "guilt"


def test_misspellings(lexicon):
    wrong = {"frustated": "displeasure", "dissapointed": "displeasure", "anxous": "fear", "embarassed": "embarrassment"}
    assert {word: lexicon.cluster(word) for word in wrong} == wrong
    assert [lexicon.cluster(word) for word in ("sda", "winter", "sample")] == [None] * 3  # too short to guess


@pytest.mark.parametrize("label", ["", "  ", "...", "zxqv", "table", "very", "不", "桌子", "42", "don", "😀"])
def test_unknown_labels(lexicon, label):
    assert lexicon.cluster(label) is None and not lexicon.knows(label)


def test_only_the_first_200_characters_of_a_label_are_read(lexicon):
    assert lexicon.cluster("very " * 39 + "happy") == "joy" and lexicon.cluster("very " * 40 + "happy") is None
    assert lexicon.cluster("x" * 100_000) is None
    assert lexicon.groups(["不" * 300, "不" * 301]) == [["不" * 300], ["不" * 301]]  # unknown: compared in full


def test_unknown_labels_stand_alone_but_with_their_other_spellings(lexicon):
    assert lexicon.groups(["zxqv", "qwrt", "ZXQV ", "happy", "zxqv", "", "..."]) == [
        ["zxqv", "ZXQV "], ["qwrt"], ["happy"], [""], ["..."],
    ]  # fmt: skip


def test_random_label_sets_are_partitioned_like_the_slow_definition(lexicon):
    draw = random.Random(0)
    words = [row["word"] for row in _rows()]
    letters = "abcdefghij 不很了喜怒'-,"
    for _ in range(400):
        labels = draw.choices(words, k=draw.randrange(8))
        labels += ["not very " + draw.choice(words) for _ in range(draw.randrange(3))]
        labels += ["".join(draw.choices(letters, k=draw.randrange(9))) for _ in range(draw.randrange(4))]
        labels += draw.choices(labels, k=2) if labels else []
        draw.shuffle(labels)
        groups = lexicon.groups(labels)
        flat = [label for group in groups for label in group]
        assert sorted(flat) == sorted(set(labels))  # each distinct label in exactly one group
        assert [labels.index(group[0]) for group in groups] == sorted(labels.index(group[0]) for group in groups)
        for group in groups:
            assert [labels.index(label) for label in group] == sorted(labels.index(label) for label in group)
            for label in set(labels):  # together exactly with those of its cluster
                same = lexicon.cluster(label) == lexicon.cluster(group[0]) is not None
                same |= label == group[0] or normalise(label) == normalise(group[0]) != ""
                assert (label in group) == same, (label, group)


def test_the_answer_does_not_depend_on_what_was_asked_before(lexicon):
    labels = ["happy", "slightly annoyed", "有点生气", "zxqv", "not happy", "dissapointed", "joyfully"]
    fresh = load_lexicon()
    assert [fresh.cluster(label) for label in labels[::-1]] == [lexicon.cluster(label) for label in labels][::-1]
    assert fresh.groups(labels) == lexicon.groups(labels) == load_lexicon().groups(labels)


def _extra(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "my words.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_users_csv_adds_and_moves_words_and_opens_clusters(tmp_path, lexicon):
    path = _extra(
        tmp_path,
        "word,language,cluster,note\nzxqv,en,joy,x\nserious,en,fear,\n给力,zh,joy,\nmoody blue,en,boredom,\n\n"
        "grumbly,en,anger,a finer emotion\nkawaii,en,cuteness,new\n蠢萌,zh,cuteness,\n",
    )
    mine = load_lexicon(path)
    assert lexicon.cluster("zxqv") is None and lexicon.cluster("serious") == "seriousness"
    expected = {"zxqv": "joy", "slightly zxqv": "joy", "serious": "fear", "Very Serious": "fear", "太给力了": "joy"}
    expected |= {"moody blue": "boredom", "grumbly": "displeasure", "kawaii": "cuteness", "happy": "joy"}
    assert {label: mine.cluster(label) for label in expected} == expected
    assert mine.groups(["kawaii", "happy", "蠢萌"]) == [["kawaii", "蠢萌"], ["happy"]]
    assert mine.cluster("not kawaii") is None  # a new cluster has no opposite
    assert load_lexicon().cluster("zxqv") is None  # nothing is left behind


def test_a_new_cluster_close_to_a_known_one_is_a_warning(tmp_path):
    mine = load_lexicon(_extra(tmp_path, "word,language,cluster\nzxqv,en,sadnes\nkawaii,en,cuteness\n"))
    assert (mine.cluster("zxqv"), mine.cluster("kawaii")) == ("sadnes", "cuteness")
    (note,) = mine.notes
    assert "WARNING" in note and "my words.csv: cluster 'sadnes' is new" in note and "'sadness' meant?" in note
    assert load_lexicon().notes == ()


def test_the_example_in_the_docs_has_words_that_are_not_listed(lexicon):
    text = (PATH_TO_REPOSITORY / "docs" / "openset-lexicon.md").read_text(encoding="utf-8")
    rows = text.split("word,language,cluster\n")[1].split("\n\n")[0].split()
    assert len(rows) >= 4 and [row for row in rows if lexicon.knows(row.split(",")[0])] == []


def test_a_byte_order_mark_is_fine(tmp_path):
    assert load_lexicon(_extra(tmp_path, "word,language,cluster\nzxqv,en,joy\n", "utf-8-sig")).cluster("zxqv") == "joy"


HEAD = "word,language,cluster\nfoobar,en,joy\n"
BAD = {
    "word,language\nx,en\n": "column cluster is missing",
    "": "column word, language, cluster is missing",
    HEAD + "...,en,joy\n": r"line 3: word '...' has no letters",
    HEAD + ",en,joy\n": r"line 3: word '' has no letters",
    HEAD + "x,fr,joy\n": r"line 3: language 'fr'; use one of en, zh",
    HEAD + "x,zh,joy\n": r"line 3: word 'x' is not written in the language 'zh'",
    HEAD + "好,en,joy\n": r"line 3: word '好' is not written in the language 'en'",
    HEAD + "x,en,\n": r"line 3: cluster ''",
    HEAD + "x,en,Joy\n": r"line 3: cluster 'Joy'",
    HEAD + "\nx,en\n": "line 4: 2 cells instead of 3",
    HEAD + "x,en,joy,more\n": "line 3: 4 cells instead of 3",
    HEAD + "Foobar,en,fear\n": "line 3: 'Foobar' is in cluster fear, but in joy in line 2",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_rows_name_file_line_and_value(tmp_path, text):
    with pytest.raises(UserError, match=r"my words\.csv.*" + BAD[text]):
        load_lexicon(_extra(tmp_path, text))


def test_missing_and_non_utf8_files(tmp_path):
    with pytest.raises(UserError, match="none.csv does not exist"):
        load_lexicon(tmp_path / "none.csv")
    with pytest.raises(UserError, match="not UTF-8"):
        load_lexicon(_extra(tmp_path, "word,language,cluster\n好,zh,joy\n", "gbk"))


def test_the_same_word_twice_in_one_cluster_is_no_error(tmp_path):
    assert read_words(_extra(tmp_path, HEAD + "FooBar,en,joy\n")) == {"foobar": "joy"}


def test_loading_imports_neither_the_stemmer_nor_anything_heavy():
    code = (
        "import sys; from toolkit.openset.lexicon import load_lexicon; load_lexicon().cluster('happy');"
        "print(sorted({'snowballstemmer', 'torch', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
