"""`./dev i18n`: bring the files of translations up to date with the texts of the addon."""

from .cache import ADDON, ROOT
from .workspace import BASE, open_workspace

SCRIPT = ROOT / 'tools' / 'scripts' / 'export_terms.py'


def update_translations():
    """Export the terms from an Odoo with the addon and merge them into the files of languages.

    Translations that are there are kept, what no longer exists is dropped.

    :return: The exit code: 0, also when translations are missing; they are counted for the person.
    """
    with open_workspace(BASE) as workspace:
        odoo = workspace.odoo('i18n', BASE)
        logs = workspace.run.logs
        odoo.install("Installing the addon", [ADDON], logs / 'i18n-install.log')
        odoo.script("Exporting the terms", SCRIPT, logs / 'i18n-export.log', addon=ADDON)
    for path in sorted((ROOT / 'i18n').glob('*.po')):
        missing = path.read_text(encoding='utf-8').count('\nmsgstr ""\n\n')
        print(f"{path.name}: {f'{missing} terms to translate' if missing else 'complete'}")
    return 0
