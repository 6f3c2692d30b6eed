"""`./dev house`: measure the structure of the addon, from the code and from one payment."""

import ast
import json
import re
from collections import defaultdict

from .cache import ADDON, ROOT
from .console import Failure
from .odoo import free_port
from .processes import run_step
from .workspace import BASE, open_workspace

# The packages a payment needs, and the themes in them that only inform people.
MONEY = ('protocol', 'models/api', 'models/jobs', 'models/transaction')
NOT_MONEY = {
    'activity.py', 'coverage.py', 'customer_message.py', 'report.py', 'staff.py', 'user_info.py',
}
PRODUCT = ('models', 'wizards')
MAX_LINES = 450
FREE_CLAUSE = re.compile(r"""
    \b(what|whatever|whoever)\b
    | (^|[,;:(]\s*|\b(of|to|for|by|from|with|and|or|than|if|tell|tells|that|whether)\s+)whom?\b
""", re.VERBOSE | re.IGNORECASE)
FIGURES_TAG = 'vipps_house'


def run_house():
    """Print the figures; returns the exit code."""
    figures = {**measure_code(ROOT), **_measure_payment()}
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        print(f'{name:<{width}}  {value}')
    return 0


#=== The code ===#

def measure_code(root):
    """Return the figures of the Python files below a folder, by their names."""
    files = {
        path.relative_to(root): path.read_text() for path in sorted(root.rglob('*.py'))
        if not path.relative_to(root).parts[0].startswith('.')
    }
    files = {path: text for path, text in files.items() if 'tests' not in path.parts}
    product = {path: text for path, text in files.items() if path.parts[0] in PRODUCT}
    protocol = {path: text for path, text in files.items() if path.parts[0] == 'protocol'}
    money = {path: text for path, text in files.items() if is_money(path)}
    nodes = [node for text in product.values() for node in ast.walk(ast.parse(text))]
    return {
        "lines of Python in models and wizards": _count_lines(product),
        "lines of Python in protocol": _count_lines(protocol),
        "lines of the money core": _count_lines(money),
        "mean length of a line of Python in models and wizards": _get_mean_length(product),
        "lambdas in models and wizards": sum(isinstance(node, ast.Lambda) for node in nodes),
        "own methods that override own methods": _list(find_overrides(product)),
        "docstrings with a free clause": sum(
            _has_free_clause(node) for text in files.values() for node in ast.walk(ast.parse(text))
        ),
        f"files in models above {MAX_LINES} lines": _list(
            f'{path} {_count_lines({path: text})}' for path, text in product.items()
            if path.parts[0] == 'models' and _count_lines({path: text}) > MAX_LINES
        ),
    }


def is_money(path):
    """Return whether a file belongs to the packages that a payment needs."""
    folder = path.parent.as_posix()
    return folder.startswith(MONEY) and path.name not in NOT_MONEY


def _list(items):
    """Return the number of the items, and the items."""
    items = list(items)
    return ''.join([str(len(items)), *(f'\n    {item}' for item in items)])


def _count_lines(files):
    return sum(text.count('\n') for text in files.values())


def _get_mean_length(files):
    lines = [line for text in files.values() for line in text.splitlines() if line.strip()]
    return round(sum(map(len, lines)) / len(lines), 1)


def _has_free_clause(node):
    """Return whether a first paragraph has a relative clause without a noun."""
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
        return False
    docstring = ast.get_docstring(node) or ''
    return bool(FREE_CLAUSE.search(docstring.split('\n\n')[0]))


def find_overrides(files):
    """Return the own methods that several files define for one model.

    :param dict files: The texts of the files, by their paths.
    :return: Each with its files; methods whose docstring begins with "Hook" are left out.
    :rtype: list[str]
    """
    places, hooks = defaultdict(set), set()
    for path, text in files.items():
        for node in ast.parse(text).body:
            if not isinstance(node, ast.ClassDef):
                continue
            for method in (item for item in node.body if isinstance(item, ast.FunctionDef)):
                if not re.match('_?vipps_|_(cron|compute|search|inverse)_vipps_', method.name):
                    continue
                name = f'{_get_model(node)}.{method.name}'
                places[name].add(path.as_posix())
                if (ast.get_docstring(method) or '').startswith("Hook"):
                    hooks.add(name)
    return [
        f'{name}: {" ".join(sorted(paths))}' for name, paths in sorted(places.items())
        if len(paths) > 1 and name not in hooks
    ]


def _get_model(node):
    """Return the model that a class defines or extends, else its own name."""
    values = {
        target.id: item.value.value for item in node.body
        if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)
        for target in item.targets if isinstance(target, ast.Name)
    }
    return values.get('_name') or values.get('_inherit') or node.name


#=== A payment ===#

def _measure_payment():
    """Return the figures that only a running Odoo shows, by their names."""
    with open_workspace(BASE) as workspace:
        odoo = workspace.odoo('house', BASE, http_port=free_port())
        log = workspace.run.logs / 'house.log'
        figures = workspace.run.folder / 'house.json'
        run_step(
            "Following a payment", odoo.command(
                '-i', ADDON, '--test-tags', f'{FIGURES_TAG}/{ADDON}', '--stop-after-init',
            ), log, env=odoo.variables(VIPPS_HOUSE_FIGURES=str(figures)),
        )
        if not figures.exists():
            raise Failure(f"The payment was not followed: see {log}.")
        return json.loads(figures.read_text())
