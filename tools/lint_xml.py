"""Check the XML files of the addon: well-formed, one root that Odoo knows, no id used twice."""

import collections
import sys

from lxml import etree

from .cache import ROOT

FOLDERS = ['data', 'demo', 'report', 'security', 'static/src', 'static/tests', 'views', 'wizards']
ROOTS = {'odoo', 'templates'}


def findings(path):
    """Return the faults of a file, as lines that name the place."""
    try:
        root = etree.parse(path).getroot()
    except etree.XMLSyntaxError as error:
        return [f'{path}:{error.lineno}: {error.msg}']
    found = []
    if root.tag not in ROOTS:
        found.append(f'{path}:1: the root is <{root.tag}>, not one of {sorted(ROOTS)}')
    ids = collections.Counter(
        element.get('id') for element in root.iter('record', 'template', 'menuitem')
        if element.get('id')
    )
    names = collections.Counter(
        element.get('t-name') for element in root.iterchildren() if element.get('t-name')
    )
    repeated = [name for name, count in (ids + names).items() if count > 1]
    return found + [f'{path}: {name} is defined more than once' for name in repeated]


def main():
    """Print all findings; the exit code is 1 when there are any."""
    files = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob('*.xml'))
    found = [line for path in files for line in findings(path)]
    print(*found, sep='\n', end='\n' if found else '')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
