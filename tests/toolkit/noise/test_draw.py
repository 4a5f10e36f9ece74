"""The draw: fixed for ever, and evenly spread."""

from collections import Counter

import pytest

from toolkit.noise.draw import Draw, Piece, list_digest

FILES = (("a.wav", 100), ("b/c.wav", 250), ("d.wav", 70))
GOLDEN_SNRS = [10, 9, 8, 8, 7, 9, 10, 10]
GOLDEN_PIECES = (Piece("d.wav", 13, 57), Piece("b/c.wav", 0, 243))


def test_the_draw_never_changes():
    # Worked out once with hashlib alone, see the module's docstring; a change here breaks everybody's sets.
    from hashlib import blake2b

    text = "a.wav\t100\nb/c.wav\t250\nd.wav\t70\n"
    digest = blake2b(text.encode(), digest_size=32).hexdigest()
    assert list_digest(FILES) == list_digest(FILES[::-1]) == digest
    key = blake2b(f"7\n{digest}\nclip 1".encode(), digest_size=32).digest()
    number = int.from_bytes(blake2b(b"snr 0", key=key, digest_size=16).digest(), "big")
    draw = Draw(7, "clip 1", digest)
    assert draw.below(1000, "snr") == number % 1000
    assert draw.choose((9, 5, 7, 5), "snr") == (5, 7, 9)[number % 3]
    assert [Draw(0, f"sample_{index:08d}", digest).choose(range(5, 11), "snr") for index in range(8)] == GOLDEN_SNRS
    assert Draw(0, "sample_00000000", digest).pieces(FILES, 300) == GOLDEN_PIECES


def test_pieces_are_a_cut_of_the_joined_files():
    for index in range(200):
        pieces = Draw(3, f"clip {index}", "").pieces(FILES, 333)
        assert sum(piece.samples for piece in pieces) == 333
        lengths = dict(FILES)
        assert all(0 <= piece.start and piece.start + piece.samples <= lengths[piece.file] for piece in pieces)
        # only the first may begin late and only the last may end early
        assert all(piece.start == 0 for piece in pieces[1:])
        assert all(piece.start + piece.samples == lengths[piece.file] for piece in pieces[:-1])


def test_speech_as_long_as_a_file_needs_a_second_one():
    pieces = [Draw(0, f"clip {index}", "").pieces((("a.wav", 100),), 100) for index in range(50)]
    starts = {piece[0].start for piece in pieces}
    assert len(starts) > 30 and max(starts) <= 100  # joined to 200, cut anywhere


def test_choices_are_even_and_independent():
    draws = [Draw(0, f"clip {index}", "") for index in range(3000)]
    pairs = Counter((draw.choose((5, 6, 7, 8, 9, 10), "snr"), draw.choose((1, 2, 4), "blur")) for draw in draws)
    assert len(pairs) == 18 and all(120 < count < 215 for count in pairs.values())  # 167 expected, sd 12.5


@pytest.mark.parametrize("other", [(1, "clip", "x"), (0, "clip2", "x"), (0, "clip", "y")])
def test_seed_name_and_noise_list_all_matter(other):
    first, second = Draw(0, "clip", "x"), Draw(*other)
    assert [first.below(1 << 40, "p", k) for k in range(3)] != [second.below(1 << 40, "p", k) for k in range(3)]


def test_noise_does_not_depend_on_the_snr_choices():
    draw = Draw(0, "clip", "x")
    before = draw.pieces(FILES, 90)
    draw.choose((5,), "snr")
    assert draw.pieces(FILES, 90) == before != draw.pieces(FILES, 90, attempt=1)
