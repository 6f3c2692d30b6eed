"""Write the terms of an addon to its template, and merge them into each file of a language."""

from pathlib import Path

import polib

from odoo.modules.module import get_module_path
from odoo.tools.translate import PoFileWriter, TranslationModuleReader

# In the addon's folder, but nobody reads them in Odoo.
ASIDE = tuple(f"addons/{PARAMETERS['addon']}/{name}/" for name in ('simulator', 'tests', 'tools'))
METADATA = {
    'Project-Id-Version': "Odoo Server 17.0",
    'Report-Msgid-Bugs-To': "",
    'Language': "",
    'MIME-Version': "1.0",
    'Content-Type': "text/plain; charset=UTF-8",
    'Content-Transfer-Encoding': "8bit",
    'Plural-Forms': "nplurals=2; plural=(n != 1);",
}


class Memory:
    """A target for Odoo's writer, of which only the entries are wanted."""

    def write(self, content):
        pass


def export(addon):
    """Return the terms as a template without anything that changes from day to day."""
    rows = (
        # Numbers of lines would change all files with every change of the code.
        (*row[:3], 0 if row[1] == 'code' else row[3], *row[4:])
        for row in TranslationModuleReader(env.cr, modules=[addon])
        if not row[2].startswith(ASIDE)
    )
    writer = PoFileWriter(Memory(), lang=None)
    writer.write_rows(rows)
    for entry in writer.po:
        entry.occurrences = sorted(set(entry.occurrences))
    return writer.po


def merge(terms, translations, language):
    """Return the terms with the translations there are."""
    known = {entry.msgid: entry.msgstr for entry in translations}
    merged = polib.POFile()
    merged.metadata = {**METADATA, 'Language': language}
    for entry in terms:
        merged.append(polib.POEntry(
            msgid=entry.msgid, msgstr=known.get(entry.msgid, ''), comment=entry.comment,
            occurrences=entry.occurrences, flags=entry.flags,
        ))
    return merged


folder = Path(get_module_path(PARAMETERS['addon'])) / 'i18n'
terms = export(PARAMETERS['addon'])
merge(terms, [], '').save(str(folder / f"{PARAMETERS['addon']}.pot"))
for path in sorted(folder.glob('*.po')):
    merge(terms, polib.pofile(str(path)), path.stem).save(str(path))
