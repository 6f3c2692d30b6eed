"""`./dev lint`: ruff, pylint-odoo, XML, JavaScript, the direction of imports, and the docs."""

import shutil
import subprocess

from .cache import ADDON, ROOT, addons_path
from .environment import lint_environment


def run_lint():
    """Check the whole tree; prints what was found and returns the exit code."""
    environment = lint_environment()
    bin_dir = environment.folder / 'bin'
    addon = addons_path() / ADDON
    checks = {
        'ruff': [bin_dir / 'ruff', 'check', '--no-cache', '--quiet', '.', 'dev'],
        # By its path under the technical name, from which pylint-odoo derives the module.
        'pylint-odoo': [bin_dir / 'pylint', f'--rcfile={ROOT / ".pylintrc"}', addon],
        'xml': [environment.python, '-m', 'tools.lint_xml'],
        'floors': [environment.python, '-m', 'tools.lint_floors'],
        'docs': [environment.python, '-m', 'tools.lint_docs'],
    }
    failed = []
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


def _report(name, clean, failed):
    """Print the result of a check and remember when it found something."""
    print(f"{name}: {'clean' if clean else 'failed'}", flush=True)
    if not clean:
        failed.append(name)


def _scripts():
    """Return our scripts; what is under `lib` is not ours."""
    return [path for path in sorted(ROOT.glob('static/**/*.js')) if 'lib' not in path.parts]


def _is_module(node, path):
    """Return whether a file can be parsed as an ECMAScript module, which is how Odoo loads it."""
    with path.open() as script:
        check = subprocess.run([node, '--input-type=module', '--check'], stdin=script)
    return check.returncode == 0
