"""A small way to write down what a JSON body may look like; everything else is refused.

A check is a function of a value and its path. It yields a triple for everything that is wrong: the
path of the field, the reason, and the domain code if there is one.
"""

import json
import re

from .problems import Problem

INT64 = 2 ** 63


def parse_json(body):
    """Return the value of a JSON text that has no repeated keys and no NaN.

    :param bytes body: UTF-8.
    :raise Problem: If it is anything else.
    """
    def refuse_constant(name):
        raise ValueError(f"{name} is not JSON")

    def refuse_repeated_keys(pairs):
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("a key occurs twice")
        return value

    try:
        return json.loads(
            body.decode(), parse_constant=refuse_constant, object_pairs_hook=refuse_repeated_keys
        )
    except (ValueError, RecursionError) as error:
        raise Problem(fields=[('body', f"The body is not valid JSON: {error}")]) from error


def validate(check, value):
    """Refuse a value that does not pass a check.

    :raise Problem: Naming every field at fault, with the code of the first that has one.
    """
    found = list(check(value, ''))
    if found:
        raise Problem(
            code=next((code for _path, _reason, code in found if code), None),
            detail="See extraDetails.",
            fields=[(path or 'body', reason) for path, reason, _code in found],
        )


def record(required=None, optional=None):
    """An object with these fields and no others."""
    required, optional = required or {}, optional or {}
    known = {**required, **optional}

    def check(value, path):
        if not isinstance(value, dict):
            yield path, "Must be an object.", None
            return
        for name in required:
            if name not in value:
                yield _join(path, name), "The field is required.", None
        for name, item in value.items():
            if name in known:
                yield from known[name](item, _join(path, name))
            else:
                yield _join(path, name), "The field is not known.", None

    return check


def text(shortest=0, longest=None, pattern=None, code=None):
    """A string; lengths in characters."""
    def check(value, path):
        if not isinstance(value, str):
            yield path, "Must be a string.", code
        elif len(value) < shortest or longest is not None and len(value) > longest:
            yield path, f"Must have {shortest} to {longest or 'any number of'} characters.", code
        elif pattern and not re.fullmatch(pattern, value, re.ASCII):
            yield path, f"Must match the regular expression '^{pattern}$'.", code

    return check


def integer(smallest=-INT64, largest=INT64 - 1, code=None):
    """A whole number, written as one: neither 1.0 nor true."""
    def check(value, path):
        if isinstance(value, bool) or not isinstance(value, int):
            yield path, "Must be an integer.", code
        elif not smallest <= value <= largest:
            yield path, f"Must be between {smallest} and {largest}.", code

    return check


def boolean(value, path):
    """True or false."""
    if not isinstance(value, bool):
        yield path, "Must be true or false.", None


def one_of(*choices):
    """One of these strings."""
    def check(value, path):
        if value not in choices or not isinstance(value, str):
            yield path, f"Must be one of {', '.join(choices)}.", None

    return check


def array(item_check, shortest=0):
    """A list of like items."""
    def check(value, path):
        if not isinstance(value, list):
            yield path, "Must be an array.", None
            return
        if len(value) < shortest:
            yield path, f"Must have at least {shortest} items.", None
        for number, item in enumerate(value):
            yield from item_check(item, f'{path}[{number}]')

    return check


def nullable(inner):
    """What passes another check, or null."""
    def check(value, path):
        if value is not None:
            yield from inner(value, path)

    return check


def _join(path, name):
    return f'{path}.{name}' if path else name
