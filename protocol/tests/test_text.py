import unittest

from hypothesis import given
from hypothesis import strategies as st

from .. import text


class TestText(unittest.TestCase):

    def test_an_emoji_counts_as_two(self):
        self.assertEqual(text.cut("🧶" * 255, 255), "🧶" * 127)
        self.assertEqual(text.cut("ab🧶", 3), "ab")
        self.assertEqual(text.cut("Ullgenser æøå", 255), "Ullgenser æøå")

    def test_controls_and_half_characters_are_left_out(self):
        self.assertEqual(text.cut("a\x00b\ud83dc\x1b", 255), "abc")

    @given(st.text(st.characters(), max_size=40), st.integers(0, 30))
    def test_any_text_is_cut_to_a_beginning_that_fits(self, whole, length):
        part = text.cut(whole, length)
        self.assertLessEqual(len(part.encode('utf-16-le')), 2 * length)
        self.assertTrue(text.cut(whole, 10_000).startswith(part))
