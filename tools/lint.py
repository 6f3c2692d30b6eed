"""`./dev lint`: ruff, pylint-odoo, XML, JavaScript, the direction of imports, and the docs."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from .cache import ADDON, ROOT
from .environment import lint_environment


def run_lint():
    """Check the whole tree; prints the findings and returns the exit code."""
    environment = lint_environment()
    bin_dir = environment.folder / 'bin'
    checks = {
        'ruff': [bin_dir / 'ruff', 'check', '--no-cache', '--quiet', '.', 'dev'],
        'xml': [environment.python, '-m', 'tools.lint_xml'],
        'floors': [environment.python, '-m', 'tools.lint_floors'],
        'docs': [environment.python, '-m', 'tools.lint_docs'],
    }
    failed = []
    _report('pylint-odoo', run_pylint(environment), failed)
    for name, command in checks.items():
        result = subprocess.run(command, cwd=ROOT, env=environment.variables())
        _report(name, result.returncode == 0, failed)
    node = shutil.which('node')
    if node:
        _report('javascript', all([_is_module(node, path) for path in _scripts()]), failed)
    else:
        print("javascript: not checked, there is no node on PATH")
    print(f"lint: {'failed: ' + ', '.join(failed) if failed else 'clean'}", flush=True)
    return 1 if failed else 0


def run_pylint(environment, root=ROOT, *options):
    """Return whether pylint-odoo finds nothing in an addon.

    It looks for the manifest of a file only below the root of the repository, and so it takes none
    of our files for parts of an addon: it reads a copy, under the technical name.
    """
    with tempfile.TemporaryDirectory() as folder:
        addon = Path(folder, ADDON)
        shutil.copytree(root, addon, ignore=shutil.ignore_patterns('.git', '__pycache__'))
        subprocess.run(['git', 'init', '--quiet', folder], check=True)
        command = [
            environment.folder / 'bin' / 'pylint', f'--rcfile={ROOT / ".pylintrc"}', *options,
            addon,
        ]
        return not subprocess.run(command, cwd=folder, env=environment.variables()).returncode


def _report(name, clean, failed):
    """Print the result of a check and remember when it found something."""
    print(f"{name}: {'clean' if clean else 'failed'}", flush=True)
    if not clean:
        failed.append(name)


def _scripts():
    """Return our own scripts; those under `lib` are not ours."""
    return [path for path in sorted(ROOT.glob('static/**/*.js')) if 'lib' not in path.parts]


def _is_module(node, path):
    """Return whether a file can be parsed as an ECMAScript module, which is how Odoo loads it."""
    with path.open() as script:
        check = subprocess.run([node, '--input-type=module', '--check'], stdin=script)
    return check.returncode == 0
