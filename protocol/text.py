"""Texts as the API counts and takes them."""

import unicodedata


def cut(text, length):
    """Return the beginning of a text, without the characters that no receipt and no JSON parser
    needs.

    The APIs are made with .NET, where an emoji counts as two characters. No character is cut in
    half. Lone surrogates, which are no characters, and control characters are left out.

    :param str text: The text.
    :param int length: The maximum number of UTF-16 code units.
    :rtype: str
    """
    text = ''.join(
        character for character in text if unicodedata.category(character) not in ('Cc', 'Cs')
    )
    return text.encode('utf-16-le')[:2 * length].decode('utf-16-le', 'ignore')
