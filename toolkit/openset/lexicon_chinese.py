"""Chinese labels: from a word or phrase to a cluster, through degree words, negation and the longest listed part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from toolkit.openset.lexicon_table import Cluster

# How strongly: says nothing about which emotion. The longest is tried first: 有一点 before 有.
_DEGREE = (
    "有一点点 有一点儿 有一点 有点儿 有点 有些 一点点 一点儿 一点 一些 一丝丝 一丝 些许 些微 略微 略显 "
    "略有 略带 稍微 稍稍 稍显 稍有 那么 这么 怎么 多么 微微 轻微 轻度 隐隐 隐约 淡淡 非常 十分 特别 极其 "
    "极度 极为 极端 异常 相当 格外 尤其 分外 无比 万分 很 太 挺 蛮 好不 超级 超 更加 更 最 越来越 比较 "
    "较为 颇为 颇 过于 过度 深深 深感 深度 强烈的 强烈地 强烈 满满的 满满 满腔 充满 满怀 饱含 内心 心里 "
    "心中 感到 感觉 觉得 显得 表现出 流露出 露出 带着 带有 怀着 怀有 心怀 有种 一种 那种 某种 变得 可能 "
    "忍不住 禁不住 情不自禁 不禁 不由得 不由自主 也许 似乎 好像 仿佛 大概 真的 真 的确 确实 稍 略 极 又 既 有"
).split()
# Words around the emotion, at its end.
_FRAME = (
    "的情绪 的感觉 的心情 的态度 的样子 之情 之感 之心 之意 情绪 心情 感觉 心态 态度 情感 的 地 得 了 着 "
    "感 极了 死了 坏了 不已 万分"
).split()
_NEGATION = (
    "无法 难以 没法 没有任何 毫无任何 没有 并没有 并未 并非 并不 毫无 毫不 不是 不太 不用 不必 不要 无需 无须 不怎么 "
    "不再 不够 不会 不能 不可 缺乏 缺少 未曾 未 没 不 无 别 非 莫 勿"
).split()
_BREAK = re.compile(r"[和与及且并而但或]|以及|并且|而且|但是|或者|\s")
_CLAUSE = re.compile(r"我|你|他|她|是|其实|反而|只是")
_CAUSE = ("因", "由于", "为", "对")
_DEGREE_START = re.compile("|".join(sorted(map(re.escape, _DEGREE), key=len, reverse=True)))
_FRAME_END = re.compile("(?:" + "|".join(sorted(map(re.escape, _FRAME), key=len, reverse=True)) + ")$")
_NEGATION_START = re.compile("|".join(sorted(map(re.escape, _NEGATION), key=len, reverse=True)))
_DENIED_BEHIND = re.compile("不起来|不了|不下去")  # 高兴不起来
_NEGATION_END = re.compile("(?:" + "|".join(sorted(map(re.escape, _NEGATION), key=len, reverse=True)) + ")$")

# Traditional characters of emotion words and their simplified forms, one under the other.
_TRADITIONAL = str.maketrans(
    "開興樂歡悅愛戀親懷溫馨靜輕鬆滿緊張慮憂鬱傷難過淚憤惱惡厭煩躁驚訝嚇懼慌亂惑疑問責備慚愧悔慟絕無奈獨聊倦憊氣壓動熱"
    "認嚴肅誠謝讚賞敬羨貪驕傲諷視蔑屬釋願盼夢憶戲謔調頑趣議論爭敵對強決勇堅擔關護應據順從經體穩專註聽觀現實寧還與點兒別"
    "詭異懸擾慘淒涼號啕嗚嘆勸導語說話請諾許覺過來後還這個們見長間場發頭麼為處於幾時當會國學習業務員",
    "开兴乐欢悦爱恋亲怀温馨静轻松满紧张虑忧郁伤难过泪愤恼恶厌烦躁惊讶吓惧慌乱惑疑问责备惭愧悔恸绝无奈独聊倦惫气压动热"
    "认严肃诚谢赞赏敬羡贪骄傲讽视蔑属释愿盼梦忆戏谑调顽趣议论争敌对强决勇坚担关护应据顺从经体稳专注听观现实宁还与点儿别"
    "诡异悬扰惨凄凉号啕呜叹劝导语说话请诺许觉过来后还这个们见长间场发头么为处于几时当会国学习业务员",
)


class ChineseReader:
    """Finds the cluster of Chinese labels in `words` (normalised word -> cluster)."""

    def __init__(self, words: Mapping[str, str], clusters: Mapping[str, Cluster]) -> None:
        self._words = words
        self._clusters = clusters

    @cached_property
    def _longest(self) -> int:
        return max((len(word) for word in self._words), default=0)

    def cluster(self, label: str) -> str | None:
        """The cluster of a normalised label, or None: of all of it, else of its first known joined part."""
        label = label.translate(_TRADITIONAL)
        found = self._listed(label.replace(" ", ""))
        if found:
            return found
        parts = _BREAK.split(label)
        if _NEGATION_START.search(parts[0]):  # 不是难过，而是开心: the clause that says what is so
            parts.sort(key=lambda part: not (_CLAUSE.match(part) and not _NEGATION_START.search(part)))
        parts = sorted(parts, key=lambda part: part.startswith(_CAUSE))  # 因失败而难过: the cause comes last
        return next(filter(None, map(self._part, parts)), None)

    def _part(self, part: str) -> str | None:
        for text in _peeled(part):
            found = self._listed(text)
            if found:
                return found
        denied = _NEGATION_START.match(part)
        if denied:  # 不太开心: the denial reaches over the degree
            found = next(filter(None, map(self._listed, _peeled(part[denied.end() :]))), None)
            if found:
                return self._opposite(found)
        return self._inside(part)

    def _listed(self, text: str) -> str | None:
        return self._words.get(text) if text else None

    def _inside(self, text: str) -> str | None:
        """The last of the longest listed words, read from the left; a word behind a denial counts as its opposite.

        Single characters are not looked for: 心 or 乐 stand in too many other words.
        """
        found, position = None, 0
        while position < len(text):
            for length in range(min(self._longest, len(text) - position), 1, -1):
                cluster = self._words.get(text[position : position + length])
                if cluster:
                    before, behind = text[:position], text[position + length :]
                    denied = _NEGATION_END.search(_DEGREE_START.sub("", before)) or _DENIED_BEHIND.match(behind)
                    found = self._opposite(cluster) if denied else cluster
                    position += length - 1
                    break
            position += 1
        return found

    def _opposite(self, cluster: str) -> str | None:
        """None where the table names no opposite: a denied word must not stand with the word."""
        row = self._clusters.get(cluster)
        return row.opposite if row else None


def _peeled(text: str) -> list[str]:
    """The text, then without each degree word at its front, then without each frame word at its end (心情, 的)."""
    found = [text]
    while match := _DEGREE_START.match(text):
        text = text[match.end() :]
        found.append(text)
    for start in list(found):
        while match := _FRAME_END.search(start):
            start = start[: match.start()]
            found.append(start)
    return found
