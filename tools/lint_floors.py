"""Check the floors of the house: imports, names and calls of each package, and the length of files.

What broke a rule when it was made is in :data:`EXCEPTIONS`, with how often it does: these numbers
only get smaller, and what is gone is taken out of the list.
"""

import ast
import re
import sys

from .cache import ROOT
from .house import MAX_LINES, find_overrides

# What the files of a folder do not import, except those below some paths.
IMPORTS = [
    ('protocol', {'odoo'}, ()),
    ('models', {'controllers', 'wizards'}, ()),
    ('wizards', {'controllers'}, ()),
    ('models', {'protocol'}, ('models/api/',)),
    ('models', {'requests'}, ('models/api/', 'models/provider/webhook.py')),
    ('wizards', {'protocol', 'requests'}, ()),
    ('controllers', {'protocol', 'requests'}, ()),
]
WITHOUT_TILL = (
    'models/transaction/', 'models/provider/', 'models/documents/', 'models/jobs/',
    'models/settlement/',
)
PRODUCT = ('models/', 'wizards/', 'controllers/')

EXCEPTIONS = {
    'length': {},
    'cursor': {},
    'pos': {},
    'url': {},
    'override': set(),
}


#=== Imports ===#

def find_imports(folder, names, exceptions, root=ROOT):
    """Return the forbidden imports in the files of a folder, as lines that name the place.

    :param str folder: The folder.
    :param set[str] names: The packages that are not imported.
    :param tuple[str] exceptions: The paths for which this is no rule.
    :param pathlib.Path root: The folder of the addon.
    :rtype: list[str]
    """
    found = []
    for name, text in _read_files(root).items():
        if not name.startswith(f'{folder}/') or name.startswith(exceptions):
            continue
        for node in ast.walk(ast.parse(text)):
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


#=== What a file has in it ===#

def find_cursors(tree):
    """Yield the lines where a cursor is opened, committed or rolled back."""
    for node in ast.walk(tree):
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Name) and function.id == 'db_connect':
            yield node.lineno
        if isinstance(function, ast.Attribute):
            owner = function.value
            owner = getattr(owner, 'attr', getattr(owner, 'id', ''))
            if function.attr == 'cursor' or (
                function.attr in ('commit', 'rollback') and owner.endswith('cr')
            ):
                yield node.lineno


def find_pos(tree):
    """Yield the lines whose code names the Point of Sale: `pos` as a word, or between underscores.

    A module, a model, a field, a method or a variable may be called so, in strings, too.
    """
    for line, name in _get_names(tree):
        if 'pos' in re.split(r'[^a-z0-9]+', name.lower()):
            yield line


def find_urls(tree):
    """Yield the lines with the address of a host in a string."""
    for line, name in _get_names(tree):
        if re.search(r'https?://[\w\[]', name):
            yield line


def _get_names(tree):
    """Yield the identifiers and strings of a file with their lines; docstrings are for people."""
    docstrings = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.lineno, node.value
        elif isinstance(node, ast.alias):
            yield node.lineno, node.name
        else:
            for attribute in ('id', 'attr', 'arg', 'name', 'module'):
                if isinstance(getattr(node, attribute, None), str):
                    yield node.lineno, getattr(node, attribute)


# Each with the paths that it is for, those that it is not for, and what is found in the code.
CONTENTS = {
    'cursor': (PRODUCT, ('models/jobs/',), find_cursors, "only models/jobs/ has cursors"),
    'pos': (
        WITHOUT_TILL, ('models/settlement/till.py',), find_pos,
        "only models/till/ names the Point of Sale",
    ),
    'url': (PRODUCT, (), find_urls, "addresses stand in const.py"),
}


def find_contents(root=ROOT, exceptions=EXCEPTIONS):
    """Return where files have more in them than they may, as lines that name the place."""
    found = []
    for name, text in _read_files(root).items():
        for rule, (paths, others, find, sentence) in CONTENTS.items():
            if name.startswith(paths) and not name.startswith(others):
                lines = list(find(ast.parse(text)))
                if len(lines) > exceptions[rule].get(name, 0):
                    found += [f'{name}:{line}: {sentence}' for line in lines]
        if name.startswith('models/'):
            allowed = exceptions['length'].get(name, MAX_LINES)
            if text.count('\n') > allowed:
                found.append(f'{name}: {text.count(chr(10))} lines, at most {allowed} are allowed')
    return found


#=== Overrides ===#

def find_new_overrides(root=ROOT, exceptions=EXCEPTIONS):
    """Return our own methods that other files of ours override and that are no hooks."""
    product = {
        root / name: text for name, text in _read_files(root).items() if name.startswith(PRODUCT)
    }
    return [
        f'{line}: only methods whose docstring begins with "Hook" are overridden'
        for line in find_overrides(
            {path.relative_to(root): text for path, text in product.items()}
        )
        if line.partition(':')[0] not in exceptions['override']
    ]


def _read_files(root):
    """Return the texts of the Python files that are no tests, by their paths."""
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.rglob('*.py'))
        if not {'tests', '.git'} & set(path.relative_to(root).parts)
    }


def main():
    """Print all findings; the exit code is 1 when there are any."""
    found = [line for rule in IMPORTS for line in find_imports(*rule)]
    found += [*find_contents(), *find_new_overrides()]
    print(*found, sep='\n', end='\n' if found else '')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
