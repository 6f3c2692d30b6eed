"""XLSX files for tests, as small as they can be."""

import io
import zipfile
from xml.sax.saxutils import escape

MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
LINKS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
PACKAGE = 'http://schemas.openxmlformats.org/package/2006/relationships'


class Raw(str):
    """The XML of a cell."""


def make_xlsx(rows, settings='', shared=True, **changes):
    """Return a file whose first sheet has some rows.

    :param rows: Texts, numbers and :class:`Raw`; None for a cell that is left out.
    :param str settings: Attributes of the workbook.
    :param bool shared: Whether texts are apart from their cells, as Excel writes them.
    :param changes: Other contents of the files, by their names: `sheet`, `texts`, `workbook`.
    """
    texts = {}

    def write_cell(row, column, cell):
        place = f'{chr(65 + column)}{row}'
        if cell is None:
            return ''
        if isinstance(cell, Raw):
            return cell.format(place)
        if isinstance(cell, str) and shared:
            return f'<c r="{place}" t="s"><v>{texts.setdefault(cell, len(texts))}</v></c>'
        if isinstance(cell, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
        return f'<c r="{place}"><v>{cell!r}</v></c>'

    sheet = ''.join(
        f'<row r="{number}">'
        + ''.join(write_cell(number, column, cell) for column, cell in enumerate(row)) + '</row>'
        for number, row in enumerate(rows, 1)
    )
    files = {
        'xl/workbook.xml': changes.get('workbook') or (
            f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><workbookPr {settings}/>'
            '<sheets><sheet name="Data" sheetId="1" r:id="rId7"/></sheets></workbook>'
        ),
        'xl/_rels/workbook.xml.rels': (
            f'<Relationships xmlns="{PACKAGE}">'
            '<Relationship Id="rId7" Target="worksheets/list.xml"/></Relationships>'
        ),
        'xl/worksheets/list.xml': changes.get('sheet') or (
            f'<worksheet xmlns="{MAIN}"><sheetData>{sheet}</sheetData></worksheet>'
        ),
        'xl/sharedStrings.xml': changes.get('texts') or (
            f'<sst xmlns="{MAIN}">'
            + ''.join(f'<si><r><t>{escape(text)}</t></r></si>' for text in texts) + '</sst>'
        ),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()
