"""References of payments, and idempotency keys."""

import hashlib
import json
import re
import unicodedata

# ePayment OpenAPI 1.8.1, schema `Reference`.
PATTERN = re.compile(r'[a-zA-Z0-9-]{8,64}')
MAX_LENGTH = 64

# Letters that do not decompose into an ASCII letter and an accent.
LETTERS = str.maketrans({
    'æ': 'ae', 'Æ': 'AE', 'ø': 'o', 'Ø': 'O', 'ß': 'ss', 'đ': 'd', 'Đ': 'D', 'ð': 'd', 'Ð': 'D',
    'þ': 'th', 'Þ': 'TH', 'ł': 'l', 'Ł': 'L', 'œ': 'oe', 'Œ': 'OE',
})


def is_valid(reference):
    """Return whether the API takes a text as a reference.

    :param str reference: The text.
    :rtype: bool
    """
    return PATTERN.fullmatch(reference) is not None


def make(prefix, document, suffix):
    """Return a reference in which people recognize the number of a document.

    :param str prefix: The beginning, of allowed characters.
    :param str document: The number of the document; forbidden characters are replaced, and
                         a number that is too long is cut.
    :param str suffix: The end, of allowed characters; it makes the reference unique.
    :return: A reference of 8 to 64 letters, digits and dashes.
    :rtype: str
    :raise ValueError: If prefix and suffix are too short, too long or have other characters.
    """
    text = unicodedata.normalize('NFKD', document.translate(LETTERS))
    text = ''.join(char for char in text if not unicodedata.combining(char))
    text = re.sub(r'[^a-zA-Z0-9]+', '-', text).strip('-')
    text = text[:MAX_LENGTH - len(prefix) - len(suffix) - 2].strip('-')
    reference = '-'.join(part for part in (prefix, text, suffix) if part)
    if not is_valid(reference):
        raise ValueError("prefix and suffix make no valid reference")
    return reference


def idempotency_key(*parts):
    """Return the key of an operation: the same for the same parts, another one for others.

    :param parts: Texts and numbers that tell this operation from all others.
    :return: A key of 40 characters; the API takes 50.
    :rtype: str
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
