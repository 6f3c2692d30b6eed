"""Tables in files, row by row: CSV as programs write it, and the first sheet of XLSX.

A file of any size takes little memory: but for the texts that an XLSX file keeps apart, only a row
is held at a time.
"""

import codecs
import csv
import io
import posixpath
import re
import zipfile
import zlib
from functools import partial
from xml.etree import ElementTree
from xml.parsers import expat

from .errors import _

# Those of Excel on Windows, in its "MS-DOS" format, and on a Mac.
OLD_ENCODINGS = ('cp1252', 'cp850', 'mac-roman')
UTF_16_MARKS = (b'\xff\xfe', b'\xfe\xff')
DELIMITERS = (',', ';', '\t')

ZIP_MARK, OLD_EXCEL_MARK, PDF_MARK = b'PK\x03\x04', b'\xd0\xcf\x11\xe0', b'%PDF'
WORKBOOK, WORKBOOK_LINKS = 'xl/workbook.xml', 'xl/_rels/workbook.xml.rels'
SHARED_TEXTS = 'xl/sharedStrings.xml'
MAIN = '{http://schemas.openxmlformats.org/spreadsheetml/2006/main}'
LINK_ID = '{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id'
CELL_PATTERN = re.compile(r'([A-Z]{1,3})\d+')
CHUNK_SIZE = 1 << 16
# A file that takes more than that once it is unpacked is an attack, and so is one with more columns
# or texts: the memory that they take is many times what they take in the file.
MAX_UNPACKED_SIZE = 1 << 30
MAX_COLUMNS = 256
MAX_SHARED_TEXTS = 1 << 21

OLD_EXCEL = _(
    "This is a file of an old version of Excel. Save it as an Excel workbook (.xlsx) or as CSV, and"
    " import that."
)
BROKEN = _("The file cannot be read: it is damaged or was cut off. Export it again.")


class UnreadableFile(Exception):
    """A file cannot be used. Neither the sentence nor its values have anything personal.

    :param str sentence: A sentence for people, in English, that says what to do.
    :param values: The values of the placeholders of the sentence.
    """

    def __init__(self, sentence, **values):
        super().__init__(sentence % values if values else sentence)
        self.sentence = sentence
        self.values = values


class Formula:
    """A cell whose value is computed, and may differ from what Vipps MobilePay stated."""


def find_readers(file):
    """Return the ways to read a file as a table, the most likely one first. Which one is right is
    seen by the first row.

    :param file: The file, binary and open for reading at any place.
    :return: Functions that return an iterator over the rows and their numbers, counted from 1; only
        one can be used at a time. Cells are texts without blanks around them; those of XLSX also
        numbers, and :class:`Formula` for a formula.
    :raise UnreadableFile: If it is no table.
    """
    start = file.read(4)
    file.seek(0)
    if start == ZIP_MARK:
        return [partial(read_xlsx, file)]
    if start == OLD_EXCEL_MARK:
        raise UnreadableFile(OLD_EXCEL)
    if start == PDF_MARK or start.lstrip(b'\xef\xbb\xbf \r\n').startswith(b'<'):
        return []
    if start[:2] in UTF_16_MARKS:
        encodings = ['utf-16']
    elif _is_utf_8(file):  # Texts in another encoding are hardly valid in this one by accident.
        encodings = ['utf-8-sig']
    else:
        encodings = OLD_ENCODINGS
    return [
        partial(read_csv, file, encoding, delimiter)
        for encoding in encodings for delimiter in DELIMITERS
    ]


def _is_utf_8(file):
    decoder = codecs.getincrementaldecoder('utf-8')()
    try:
        while chunk := file.read(CHUNK_SIZE):
            decoder.decode(chunk)
        decoder.decode(b'', final=True)
    except UnicodeError:
        return False
    return True


def read_csv(file, encoding, delimiter):
    """Return an iterator over the rows of a CSV file and their numbers.

    :raise UnreadableFile: If it is in another encoding, or broken.
    """
    file.seek(0)
    # Names in columns that nobody reads may have characters that the encoding does not know.
    errors = 'replace' if encoding in OLD_ENCODINGS else 'strict'
    text = io.TextIOWrapper(file, encoding, errors, newline='')
    try:
        for number, row in enumerate(csv.reader(text, delimiter=delimiter, strict=True), 1):
            yield number, [cell.strip() for cell in row]
    except (csv.Error, UnicodeError):
        raise UnreadableFile(BROKEN) from None
    finally:
        text.detach()  # Else the file is closed together with it.


def read_xlsx(file):
    """Return an iterator over the rows of the first sheet of an XLSX file and their numbers.

    :raise UnreadableFile: If it is none, or broken.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if WORKBOOK not in names:
                return
            shared = _SharedTexts()
            if SHARED_TEXTS in names:
                for _part in shared.parse(archive, SHARED_TEXTS):
                    pass
            sheet = _Sheet(shared.texts)
            for _part in sheet.parse(archive, _find_first_sheet(archive)):
                yield from sheet.rows
                sheet.rows = []
    except (
        zipfile.BadZipFile, zlib.error, expat.ExpatError, ElementTree.ParseError, EOFError,
        KeyError, IndexError, ValueError, NotImplementedError, RuntimeError,
    ):
        raise UnreadableFile(BROKEN) from None


def _find_first_sheet(archive):
    """Return the name of the file of the first sheet."""
    workbook = _parse_small(archive, WORKBOOK)
    settings = workbook.find(f'{MAIN}workbookPr')
    if settings is not None and settings.get('date1904') in ('1', 'true'):
        raise UnreadableFile(OLD_EXCEL)  # It counts days from another date.
    [sheet, *_others] = workbook.iterfind(f'{MAIN}sheets/{MAIN}sheet')
    targets = {
        link.get('Id'): link.get('Target') for link in _parse_small(archive, WORKBOOK_LINKS)
    }
    # The name is relative to the folder of the workbook, or begins at the root.
    return posixpath.join('/xl', targets[sheet.get(LINK_ID)]).removeprefix('/')


def _parse_small(archive, name):
    if archive.getinfo(name).file_size > CHUNK_SIZE:
        raise ValueError("a list of sheets of this size")
    data = archive.read(name)
    if b'<!' in data:
        raise ValueError("a definition of a document")
    return ElementTree.fromstring(data)


class _Reader:
    """Takes the texts of the cells of a file. The names of elements come with their namespace."""

    def __init__(self):
        self.parts = []
        self._is_text = False

    def parse(self, archive, name):
        """Read a file, and yield after each part of it."""
        parser = expat.ParserCreate(namespace_separator='}')
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = lambda tag, values: self._start(_cut(tag), values)
        parser.EndElementHandler = lambda tag: self._end(_cut(tag))
        parser.CharacterDataHandler = self._add
        size = 0
        with archive.open(name) as file:
            while chunk := file.read(CHUNK_SIZE):
                size += len(chunk)
                if size > MAX_UNPACKED_SIZE:
                    raise ValueError("a file of this size")
                parser.Parse(chunk)
                yield
        parser.Parse(b'', True)
        yield

    def _refuse(self, *_arguments):
        raise ValueError("a definition of a document")  # It may have entities without end.

    def _start(self, name, values):
        self._is_text = name in ('t', 'v')

    def _end(self, name):
        self._is_text = False

    def _add(self, text):
        if self._is_text:
            self.parts.append(text)


class _SharedTexts(_Reader):
    """Reads the texts that cells refer to by their numbers."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def _end(self, name):
        super()._end(name)
        if name == 'si':
            if len(self.texts) == MAX_SHARED_TEXTS:
                raise ValueError("too many texts")
            self.texts.append(''.join(self.parts).strip())
            self.parts = []


class _Sheet(_Reader):
    """Reads the rows of a sheet. They are as long as the first one, or longer."""

    def __init__(self, texts):
        super().__init__()
        self.rows = []
        self._width = 0
        self._texts = texts
        self._number, self._row = 0, []
        self._kind = self._column = self._is_formula = None

    def _start(self, name, values):
        super()._start(name, values)
        if name == 'c':
            self.parts, self._kind, self._is_formula = [], values.get('t'), False
            place = CELL_PATTERN.fullmatch(values.get('r', ''))
            self._column = _count_columns(place[1]) if place else len(self._row) + 1
            if not len(self._row) < self._column <= MAX_COLUMNS:
                raise ValueError("cells out of order")
        elif name == 'f':
            self._is_formula = True
        elif name == 'row':
            self._number, self._row = int(values.get('r', self._number + 1)), []

    def _end(self, name):
        super()._end(name)
        if name == 'c':
            self._row += [''] * (self._column - 1 - len(self._row))
            self._row.append(self._get_value())
        elif name == 'row':
            while self._row and self._row[-1] == '':
                self._row.pop()
            self._width = self._width or len(self._row)
            self._row += [''] * (self._width - len(self._row))
            self.rows.append((self._number, self._row))

    def _get_value(self):
        text = ''.join(self.parts)
        if self._is_formula:
            return Formula
        if self._kind == 's':
            return self._texts[int(text)]
        if self._kind in (None, 'n') and text:
            return float(text)
        return text.strip()


def _cut(tag):
    """Return the name of an element without its namespace."""
    return tag[tag.rfind('}') + 1:]


def _count_columns(letters):
    """Return the number of a column by its letters, counted from 1."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
