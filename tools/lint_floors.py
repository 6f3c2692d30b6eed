"""Check that imports point down: from the faces to the records, the door and the protocol."""

import ast
import sys

from .cache import ROOT

# What the files of a folder do not import, except those of some folders below it.
RULES = [
    ('protocol', {'odoo'}, ()),
    ('models', {'controllers', 'wizards'}, ()),
    ('wizards', {'controllers'}, ()),
    ('models', {'protocol'}, ('models/api',)),
    ('wizards', {'protocol'}, ()),
    ('controllers', {'protocol'}, ()),
]


def findings(folder, names, exceptions, root=ROOT):
    """Return which files of a folder import what they should not, as lines that name the place.

    :param str folder: The folder.
    :param set[str] names: The packages that are not imported.
    :param tuple[str] exceptions: The folders below it for which this is no rule.
    :param pathlib.Path root: The folder of the addon.
    :rtype: list[str]
    """
    found = []
    for path in sorted((root / folder).rglob('*.py')):
        name = path.relative_to(root).as_posix()
        if 'tests' in path.parts or name.startswith(tuple(f'{each}/' for each in exceptions)):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            found += [
                f'{name}:{node.lineno}: {folder}/ does not import {package}'
                for package in sorted(names & _get_packages(node))
            ]
    return found


def _get_packages(node):
    """Return the packages that a statement imports from: of Python, or of the addon."""
    if isinstance(node, ast.Import):
        return {alias.name.split('.')[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or '').split('.')[0]} | (
            set() if node.module else {alias.name for alias in node.names}
        )
    return set()


def main():
    """Print all findings; the exit code is 1 when there are any."""
    found = [line for rule in RULES for line in findings(*rule)]
    print(*found, sep='\n', end='\n' if found else '')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
