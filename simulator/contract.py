"""Compare recorded traffic with the official OpenAPI files: `python -m simulator.contract --help`.

Properties that a schema does not know are refused at every level. Where the documentation knows
more than the specification, :data:`DOCUMENTED` says so.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from .specs import find_specs
from .validation import Validator

# The deviations: properties that the documentation has and the specification has not.
DOCUMENTED = {
    # https://developer.vippsmobilepay.com/docs/APIs/epayment-api/CHANGELOG/ (August 2026)
    'GetPaymentResponse': {'captureGuaranteedUntil': {'type': 'string', 'format': 'date-time'}},
    'WebhookEvent': {'captureGuaranteedUntil': {'type': 'string', 'format': 'date-time'}},
    # https://developer.vippsmobilepay.com/docs/APIs/epayment-api/CHANGELOG/ (May and October 2026)
    'Shipping': {'allowedCountries': {'type': 'array', 'items': {'type': 'string'}}},
    'CreatePaymentRequest': {'merchantLegalLinks': {
        'type': 'object',
        'properties': {
            'termsOfSaleUrl': {'type': 'string'}, 'privacyPolicyUrl': {'type': 'string'},
        },
    }},
    # https://developer.vippsmobilepay.com/docs/knowledge-base/errors/
    'Problem': {'instance': {'type': 'string'}},
    # The specification has a pattern of exactly 15 digits, which its own example does not match.
    # https://developer.vippsmobilepay.com/docs/APIs/userinfo-api/userinfo-api-guide/
    # New types come without notice, and some entries have no recipient. The currency of a ledger is
    # in the example only.
    # https://developer.vippsmobilepay.com/docs/APIs/report-api/CHANGELOG/
    'Transaction': {
        'entryType': {'type': 'string'},
        'recipientHandle': {'type': 'string', 'nullable': True},
    },
    'Ledger': {
        'currency': {'type': 'string'},
        'salesUnits': {'type': 'array', 'items': {
            'type': 'object',
            'properties': {'name': {'type': 'string'}, 'recipientHandle': {'type': 'string'}},
        }},
    },
    'Userinfo': {'phone_number': {'type': 'string', 'pattern': r'^\d{9,15}$'}},
}
# The Userinfo API is said both to need a subscription key and to refuse it.
# https://developer.vippsmobilepay.com/docs/knowledge-base/http-headers/
OPTIONAL_HEADERS = {('getUserinfo', 'Ocp-Apim-Subscription-Key')}
# Another spelling of a value than the specification's.
# https://developer.vippsmobilepay.com/docs/APIs/order-management-api/order-management-api-guide/
DOCUMENTED_VALUES = {('paymentType', 'ecom'): 'ECOM'}
# Two spellings of the parameters of pictures.
# https://developer.vippsmobilepay.com/docs/APIs/qr-api/qr-api-guide/
DOCUMENTED_PARAMETERS = {'qrImageFormat': 'QrImageFormat', 'qrImageSize': 'QrImageSize'}
# Statuses that every operation may answer with, although the specification lists them for a few.
# https://developer.vippsmobilepay.com/docs/knowledge-base/http-response-codes/
DOCUMENTED_STATUSES = {400, 401, 403, 404, 409, 422, 423, 429}
# What the gateway in front of the APIs answers; it is in no specification.
GATEWAY_ERROR = {
    'type': 'object',
    'properties': {'statusCode': {'type': 'integer'}, 'message': {'type': 'string'}},
    'required': ['statusCode', 'message'],
    'additionalProperties': False,
}
# The event of a customer who has scanned a sticker; it is in no specification. The sales unit was
# called otherwise before.
# https://developer.vippsmobilepay.com/docs/APIs/qr-api/qr-api-webhooks/
CHECK_IN = {
    'type': 'object',
    'properties': {
        'customerToken': {'type': 'string', 'minLength': 1},
        'merchantQrId': {'type': 'string', 'minLength': 1},
        'msn': {'type': 'string'},
        'merchantSerialNumber': {'type': 'string'},
        'initiatedAt': {'type': 'string', 'pattern': r'^[0-9T:-]{19}\.[0-9]{7}Z$'},
    },
    'required': ['customerToken', 'merchantQrId', 'initiatedAt'],
    'oneOf': [{'required': ['msn']}, {'required': ['merchantSerialNumber']}],
    'additionalProperties': False,
}
# What the specifications call the shape of a problem.
PROBLEM_SCHEMAS = (
    'Problem', 'ProblemDetails', 'ErrorResponse', 'UserinfoError', 'QrErrorResponse',
)
# Answers that were falsified on purpose.
UNCHECKED_FAULTS = {'tampered', 'edited'}
# Questions for options that are asked in another way on purpose.
UNSPECIFIED_QUESTIONS = {'edited', 'camel'}


class Specification:
    """One OpenAPI 3.0 file."""

    def __init__(self, path):
        """Read the file, and make its schemas refuse unknown fields."""
        # Names are texts in JSON: one of the files has numbers for the statuses.
        self._document = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
        self._components = self._document['components']
        self._components['schemas'] = {
            name: self._with_documented(name, schema)
            for name, schema in self._components['schemas'].items()
        }
        self._schemas = {
            name: close(schema) for name, schema in self._components['schemas'].items()
        }
        self._prefix = urlsplit(self._document['servers'][0]['url']).path

    def _with_documented(self, name, schema):
        if name not in DOCUMENTED:
            return schema
        return {**schema, 'properties': {**schema['properties'], **DOCUMENTED[name]}}

    def find(self, method, path):
        """Return the specification of a request and its path parameters, or None."""
        for template, item in self._document['paths'].items():
            pattern = re.sub(r'\{(\w+)\}', r'(?P<\1>[^/]+)', self._prefix + template)
            match = re.fullmatch(pattern, path)
            if match and method.lower() in item:
                operation = item[method.lower()]
                parameters = [
                    self._resolve(parameter)
                    for parameter in item.get('parameters', []) + operation.get('parameters', [])
                ]
                return {**operation, 'parameters': parameters}, match.groupdict()
        return None

    def violations_of_request(self, operation, arguments, exchange):
        """Yield the violations in a request, in words."""
        headers = {name.lower(): value for name, value in exchange['headers'].items()}
        query = {
            DOCUMENTED_PARAMETERS.get(name, name): value
            for name, value in exchange.get('query', {}).items()
        }
        for parameter in operation['parameters']:
            name = parameter['name']
            given = {
                'header': headers, 'path': arguments, 'query': query,
            }[parameter['in']]
            value = given.get(name.lower() if given is headers else name)
            if value is not None:
                value = DOCUMENTED_VALUES.get((name, value), value)
                if parameter['schema'].get('type') == 'integer' and value.isdigit():
                    value = int(value)
                yield from self._violations(parameter['schema'], value, f"{parameter['in']} {name}")
            elif parameter.get('required') and (
                operation.get('operationId'), name
            ) not in OPTIONAL_HEADERS:
                yield f'{name} is missing'
        for name in query.keys() - {p['name'] for p in operation['parameters']}:
            yield f'the parameter {name} is not specified'
        specified = operation.get('requestBody')
        if exchange['body'] is None:
            if specified and specified.get('required'):
                yield 'the body is missing'
        elif not specified:
            yield 'there is a body, and none is specified'
        else:
            yield from self._violations(_first_schema(specified), exchange['body'], 'body')

    def violations_of_answer(self, operation, exchange):
        """Yield the violations in an answer, in words."""
        status, answer = exchange['status'], exchange['answer']
        specified = operation['responses'].get(str(status))
        if specified and status < 400:
            specified = self._resolve(specified)
            if specified.get('content'):
                yield from self._violations(_first_schema(specified), answer, 'answer')
            elif answer is not None:
                yield f'the answer {status} has a body, and none is specified'
        elif status in DOCUMENTED_STATUSES or status >= 500:
            problems = [self._schemas[name] for name in PROBLEM_SCHEMAS if name in self._schemas]
            shapes = [GATEWAY_ERROR, *(problems or [{'type': 'object'}])]
            specified = self._resolve(specified or {})
            if specified.get('content'):
                shapes.append(close(_first_schema(specified)))
            found = [list(self._violations(shape, answer, 'answer', True)) for shape in shapes]
            if all(found):
                yield from min(found, key=len)
        else:
            yield f'the status {status} is not specified'

    def violations_of_event(self, body):
        """Yield the violations in the body of a webhook, in words."""
        schema = {'$ref': '#/components/schemas/WebhookEvent'}
        is_check_in = 'customerToken' in body
        yield from self._violations(
            CHECK_IN if is_check_in else schema, body, 'event', closed=is_check_in,
        )

    def violations_of_question(self, entry):
        """Yield the violations in a question of the app to a merchant and its answer, in words."""
        operation = self._document['paths']['/merchant-dynamic-shipping-callback']['post']
        if entry['fault'] not in UNSPECIFIED_QUESTIONS:
            schema = _first_schema(operation['requestBody'])
            yield from self._violations(schema, entry['body'], 'question')
        if entry['status'] == 200:
            yield from self._violations(
                _first_schema(self._resolve(operation['responses']['200'])), entry['answer'],
                'answer',
            )
        elif entry['status'] not in {None, *DOCUMENTED_STATUSES}:
            yield f"the status {entry['status']} is not specified"

    def _resolve(self, item):
        if '$ref' not in item:
            return item
        _hash, _components, kind, name = item['$ref'].split('/')
        return self._components[kind][name]

    def _violations(self, schema, value, where, closed=False):
        root = {
            **(schema if closed else close(schema)), 'components': {'schemas': self._schemas},
        }
        for error in Validator(root, format_checker=Validator.FORMAT_CHECKER).iter_errors(value):
            yield f'{where}{error.json_path[1:]}: {error.message}'


def close(schema):
    """Return a schema of OpenAPI 3.0 as one of JSON Schema that knows nothing beside it."""
    if isinstance(schema, list):
        return [close(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if 'allOf' in schema:
        raise NotImplementedError("allOf needs unevaluatedProperties; no file so far has it")
    closed = {
        name: {key: close(item) for key, item in value.items()} if name == 'properties'
        else value if name in ('enum', 'example', 'required', 'default')
        else close(value)
        for name, value in schema.items()
        if not name.startswith('x-') and name not in ('example', 'nullable', 'discriminator')
    }
    if 'properties' in schema:
        closed.setdefault('additionalProperties', False)
    if schema.get('nullable'):
        return {'anyOf': [closed, {'type': 'null'}]}
    return closed


def load(folder):
    """Return the newest specifications of the APIs that are simulated, by their names."""
    return {
        name: Specification(_newest(Path(folder), f'{name}[-_]*.yaml'))
        for name in (
            'access-token', 'epayment', 'order-management', 'qr', 'report', 'userinfo', 'webhooks',
        )
    }


def check(specifications, entry):
    """Return the violations in a line of a record, in words."""
    if entry['type'] == 'webhook':
        is_checked = entry.get('fault') not in UNCHECKED_FAULTS
        return list(
            specifications['epayment'].violations_of_event(entry['body']) if is_checked else ()
        )
    if entry['type'] == 'question':
        return list(specifications['epayment'].violations_of_question(entry))
    found = []
    for specification in specifications.values():
        operation = specification.find(entry['method'], entry['path'])
        if operation:
            found += specification.violations_of_request(*operation, entry)
            if entry['status'] and entry['fault'] not in UNCHECKED_FAULTS:
                found += specification.violations_of_answer(operation[0], entry)
            return found
    return ["the request is not specified"]


def _first_schema(described):
    # The type of the content is ignored: the specification of modifications has a wrong one.
    return next(iter(described['content'].values()))['schema']


def _newest(folder, pattern):
    paths = list(folder.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"there is no {pattern} in {folder}")
    return max(paths, key=lambda path: [int(number) for number in re.findall(r'\d+', path.name)])


def main(arguments=None):
    """Print violations; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog='simulator.contract', description="Compare recorded traffic with the OpenAPI files."
    )
    parser.add_argument(
        '--specs', default=find_specs(), help="the folder of the OpenAPI files (VIPPS_SPECS)",
    )
    parser.add_argument('records', nargs='+', type=Path, help="files, or folders of *.jsonl")
    options = parser.parse_args(arguments)
    if not options.specs:
        parser.error("name the folder of the OpenAPI files")
    specifications = load(options.specs)
    lines = violations = 0
    for record in options.records:
        for path in sorted(record.glob('*.jsonl')) if record.is_dir() else [record]:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                entry = json.loads(line)
                lines += 1
                for violation in check(specifications, entry):
                    violations += 1
                    what = f"{entry.get('method', entry['type'])} {entry['path']}"
                    print(f'{path.name}:{number}: {what}: {violation}')
    print(f'{lines} exchanges and deliveries, {violations} violations')
    return 1 if violations or not lines else 0


if __name__ == '__main__':
    sys.exit(main())
