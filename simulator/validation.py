"""JSON Schema, as the simulator writes it down and checks it; everything else is refused.

Our own schemas may have one more keyword, `code`: the domain code of what they refuse.
"""

import json

import jsonschema

from .problems import Problem

INT64 = 2 ** 63
# In our own words: those of the library repeat the value, which may be personal.
REASONS = {
    'additionalProperties': "The field is not known.",
    'enum': "Must be one of {}.",
    'maxLength': "Must have at most {} characters.",
    'maxProperties': "Must have at most {} fields.",
    'maximum': "Must be at most {}.",
    'minItems': "Must have at least {} items.",
    'minLength': "Must have at least {} characters.",
    'minProperties': "Must have at least {} fields.",
    'minimum': "Must be at least {}.",
    'pattern': "Must match the regular expression '{}'.",
    'required': "The field is required.",
    'type': "Must be of the type {}.",
}

Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        # JSON Schema takes 1.0 for an integer, the API does not.
        'integer', lambda checker, value: isinstance(value, int) and not isinstance(value, bool),
    ),
)


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


def validate(schema, value):
    """Refuse a value that does not follow a schema.

    :raise Problem: Naming every field at fault, with the code of the first that has one.
    """
    errors = list(Validator(schema).iter_errors(value))
    if errors:
        fields = {}
        for error in errors:
            for path in _get_paths(error):
                fields.setdefault(path, REASONS[error.validator].format(error.validator_value))
        raise Problem(
            code=next((each.schema['code'] for each in errors if 'code' in each.schema), None),
            detail="See extraDetails.",
            fields=fields.items(),
        )


def _get_paths(error):
    """Return the paths of the fields that an error is about, like `lines[0].price`."""
    names = ['']
    if error.validator == 'required':
        names = [f'.{name}' for name in error.validator_value if name not in error.instance]
    elif error.validator == 'additionalProperties':
        names = [f'.{name}' for name in error.instance if name not in error.schema['properties']]
    parts = (f'[{part}]' if isinstance(part, int) else f'.{part}' for part in error.absolute_path)
    path = ''.join(parts)
    return [f'{path}{name}'[1:] or 'body' for name in names]


#=== SCHEMAS ===#

ANYTHING = {}
BOOLEAN = {'type': 'boolean'}


def record(required=None, optional=None, **keywords):
    """Return the schema of an object with these fields and no others."""
    required, optional = required or {}, optional or {}
    return {
        'type': 'object', 'required': list(required), 'properties': {**required, **optional},
        'additionalProperties': False, **keywords,
    }


def text(shortest=0, longest=None, pattern=None, **keywords):
    """Return the schema of a string with lengths in characters; the pattern is of all of it."""
    return {
        'type': 'string', 'minLength': shortest,
        **({} if longest is None else {'maxLength': longest}),
        **({} if pattern is None else {'pattern': rf'^({pattern})\Z'}),
        **keywords,
    }


def integer(smallest=-INT64, largest=INT64 - 1, **keywords):
    """Return the schema of a whole number, written as one: neither 1.0 nor true."""
    return {'type': 'integer', 'minimum': smallest, 'maximum': largest, **keywords}


def one_of(*choices):
    """Return the schema of one of these strings."""
    return {'type': 'string', 'enum': list(choices)}


def array(items, shortest=0):
    """Return the schema of a list of like items."""
    return {'type': 'array', 'minItems': shortest, 'items': items}


def nullable(schema):
    """Return a schema that takes null, too."""
    choices = {'enum': [*schema['enum'], None]} if 'enum' in schema else {}
    return {**schema, **choices, 'type': [schema['type'], 'null']}
