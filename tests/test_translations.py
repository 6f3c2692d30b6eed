# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import polib

from odoo.modules.module import get_module_path
from odoo.tests import HttpCase, tagged
from odoo.tools.translate import TRANSLATED_ATTRS, TranslationModuleReader

from odoo.addons.base.models.ir_model import field_xmlid

from ..protocol import errors

ADDON = 'mobilepay_vipps'
FOLDER = Path(get_module_path(ADDON))
LANGUAGES = {'nb': 'nb_NO', 'da': 'da_DK', 'fi': 'fi_FI', 'sv': 'sv_SE'}
# In the addon's folder, but nobody reads them in Odoo.
ASIDE = ('simulator', 'tests', 'tools')

PLACEHOLDER = re.compile(r'%(?:\(\w+\))?[sd]|<[^<>]+>')
READ_ATTRIBUTE = re.compile(rf'\b({"|".join(sorted(TRANSLATED_ATTRS))})="[^"]*"')


@tagged('post_install', '-at_install')
class TestTranslations(HttpCase):
    """ Everything that people read is there in every language. """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.terms, cls.foreign_terms = cls._read_terms()
        cls.template = cls._read_file(f'{ADDON}.pot')
        cls.files = {code: cls._read_file(f'{code}.po') for code in LANGUAGES}

    @staticmethod
    def _read_file(name):
        return polib.pofile(str(FOLDER / 'i18n' / name))

    @classmethod
    def _read_terms(cls):
        """ Return the terms of the addon, and those of fields from elsewhere: these depend on the
        installed modules, which translate them. """
        aside = tuple(f'addons/{ADDON}/{name}/' for name in ASIDE)
        own_fields = {
            field_xmlid(ADDON, model._name, name)
            for model in cls.env.values()
            for name, field in model._fields.items() if field._module == ADDON
        }
        own, foreign = defaultdict(set), set()
        for row in TranslationModuleReader(cls.env.cr, modules=[ADDON]):
            _module, _kind, path, record, term = row[:5]
            if path.startswith('ir.model.fields,') and record not in own_fields:
                foreign.add(term)
            elif not path.startswith(aside):
                own[term].add(f'{path} {record}')
        return own, foreign

    @staticmethod
    def _get_placeholders(text):
        return Counter(READ_ATTRIBUTE.sub(r'\1', hole) for hole in PLACEHOLDER.findall(text))

    def _get_translations(self):
        for code, file in self.files.items():
            for entry in file:
                yield code, entry

    #=== The files ===#

    def test_every_term_is_in_the_template(self):
        """ Odoo leaves out translations of terms that are not there. """
        self.assertFalse(
            self.terms.keys() - {entry.msgid for entry in self.template}, "Run `./dev i18n`."
        )

    def test_every_term_has_a_translation_in_every_language(self):
        for code, file in self.files.items():
            translated = {entry.msgid for entry in file if entry.msgstr.strip()}
            with self.subTest(language=code):
                self.assertEqual(
                    {term: where for term, where in self.terms.items() if term not in translated},
                    {}, "Run `./dev i18n`, and translate what it adds to the file.",
                )

    def test_no_translation_is_of_a_term_that_does_not_exist(self):
        for name, file in {ADDON: self.template, **self.files}.items():
            with self.subTest(file=name):
                self.assertFalse(
                    {entry.msgid for entry in file} - self.terms.keys() - self.foreign_terms,
                    "Run `./dev i18n`.",
                )

    def test_no_translation_is_a_guess(self):
        self.assertFalse([
            (code, entry.msgid) for code, entry in self._get_translations()
            if entry.fuzzy or entry.obsolete
        ])

    def test_translations_have_the_placeholders_and_tags_of_their_source(self):
        self.assertFalse([
            (code, entry.msgid, entry.msgstr) for code, entry in self._get_translations()
            if self._get_placeholders(entry.msgstr) != self._get_placeholders(entry.msgid)
        ])

    def test_every_sentence_of_the_api_is_a_term(self):
        sentences = {sentence for sentence, _is_temporary in (
            *errors.CODES.values(), *errors.STATUSES.values(),
        )} | {
            value for name, value in vars(errors).items()
            if name.isupper() and isinstance(value, str)
        }
        self.assertTrue(sentences)
        self.assertLessEqual(sentences, self.terms.keys())

    def test_texts_are_not_put_together_before_they_are_translated(self):
        for path in FOLDER.rglob('*.py'):
            if path.relative_to(FOLDER).parts[0] in ASIDE:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                if (
                    not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name)
                    or node.func.id not in ('_', '_lt') or isinstance(node.args[0], ast.Constant)
                ):
                    continue
                with self.subTest(path=path.name, line=node.lineno):
                    self.assertFalse([
                        part.value for part in ast.walk(node.args[0])
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    ])

    #=== Who reads what ===#

    def test_cashiers_read_the_till_in_their_language(self):
        source = "Asking for the payment…"
        for code, language in LANGUAGES.items():
            with self.subTest(language=language):
                self.env['res.lang']._activate_lang(language)
                loaded = self.url_open(
                    f'/web/webclient/translations/{code}?mods={ADDON}&lang={language}'
                ).json()['modules'][ADDON]['messages']
                texts = {message['id']: message['string'] for message in loaded}
                self.assertIn(source, texts)
                self.assertNotEqual(texts[source], source)
