"""JSON of others, of which nothing is guessed."""

import json

MAX_DIGITS = 20


def parse_json(content):
    """Return the parsed JSON of an answer.

    :param bytes content: The answer.
    :raise ValueError: If it is not JSON, says something twice, or is nested too deeply, or if a
        number in it is no amount of anything.
    """
    try:
        return json.loads(
            content, object_pairs_hook=_build_object, parse_int=_parse_int,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        problem = "nested too deeply"
    raise ValueError(problem)


def _build_object(pairs):
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a name comes twice")
    return data


def _parse_int(text):
    if len(text) > MAX_DIGITS:  # Converting it can take minutes.
        raise ValueError("a number is too long")
    return int(text)


def _refuse_constant(text):
    raise ValueError("not a number")
