"""Class names of every script are drawn with letters."""

import logging

import numpy as np
import pytest

from paddleprune import drawing


def drawn(text, size=20):
    picture = np.zeros((40, 400, 3), np.uint8)
    drawing.put_text(picture, text, 5, 30, size, (255, 255, 255))
    return picture


def test_text_stands_on_its_base_and_is_cut_at_the_rim():
    picture = drawn("Hxg", 20)
    rows = np.flatnonzero(picture.any((1, 2)))
    width, height = drawing.text_size("Hxg", 20)
    assert abs((30 - rows[0]) - height) <= 4
    assert rows[-1] > 30  # the g hangs below
    columns = np.flatnonzero(picture.any((0, 2)))
    assert abs(columns[-1] - (5 + width)) <= 4
    tiny = np.zeros((8, 8, 3), np.uint8)
    drawing.put_text(tiny, "long text", -20, 20, 20, (255, 0, 0))
    drawing.put_text(tiny, "outside", 100, 100, 20, (255, 0, 0))


@pytest.mark.parametrize("text", ["Übergröße", "Жёлтый", "αβγ"])
def test_letters_differ(text):
    pictures = [drawn(letter).tobytes() for letter in text]
    assert len(set(pictures)) == len(set(text))


def test_chinese_has_letters_where_a_font_has_them(caplog):
    names = ["交通灯", "行人", "汽车"]
    missing = [
        n for n in names if any(ord(c) not in drawing._covered(drawing._file_for(frozenset(n))) for c in n)
    ]
    if missing:
        pytest.skip("no font on this machine has Chinese letters")
    assert len({drawn(name).tobytes() for name in names}) == 3


def test_letters_that_no_font_has_are_said_once(caplog):
    drawing._say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        for text in ("\U000e0fff", "\U000e0ffe"):  # not assigned
            drawn(text)
    assert caplog.text.count("no font on this machine has all letters") == 1
