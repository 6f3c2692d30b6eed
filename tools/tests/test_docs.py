import ast
import importlib.util
import re
import unittest

from tools.cache import ROOT

LANGUAGES = ('nb', 'da', 'fi', 'sv')
BRAND = re.compile('Vipps|MobilePay')
# The functions whose arguments name a step of the log.
LOG = 'log_step'


def read(name):
    return (ROOT / name).read_text()


def get_section(page, heading):
    """Return the text under a heading of a page, up to the next one."""
    return re.search(rf'^#+ {heading}\n(.*?)(^#|\Z)', read(page), re.M | re.S)[1]


def get_rows(text):
    """Return the cells of the tables in a text, without their heads."""
    rows = [line.strip('|').split('|') for line in text.splitlines() if line.startswith('|')]
    rows = [[cell.strip() for cell in row] for row in rows]
    return [row for i, row in enumerate(rows) if not _is_ruler(row) and not _is_ruler(
        rows[i + 1] if i + 1 < len(rows) else []
    )]


def _is_ruler(row):
    return bool(row) and all(re.fullmatch('-+', cell) for cell in row)


def get_terms(language):
    """Return the texts of a language, by the English ones."""
    text = read(f'i18n/{language}.po')
    return {
        _join(source): _join(translation)
        for source, translation in re.findall(r'^msgid (.*?)^msgstr (.*?)^$', text, re.M | re.S)
    }


def _join(text):
    return ast.literal_eval('(' + text + ')')


def get_constants(name):
    """Return the constants of a module that needs no Odoo."""
    spec = importlib.util.spec_from_file_location('constants', ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def get_fields(model):
    """Return the keyword arguments of the fields of a model, by the names of the fields."""
    fields = {}
    for path in get_python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef) or model not in get_names(node):
                continue
            for item in node.body:
                if isinstance(item, ast.Assign) and isinstance(item.value, ast.Call):
                    fields.setdefault(item.targets[0].id, {}).update({
                        keyword.arg: keyword.value for keyword in item.value.keywords
                    })
    return fields


def get_names(node):
    """Return the names of the models that a class defines or extends."""
    return {
        value.value for item in node.body if isinstance(item, ast.Assign)
        and item.targets[0].id in ('_name', '_inherit')
        for value in ast.walk(item.value) if isinstance(value, ast.Constant)
    }


def get_labels(model, field):
    """Return the labels of a selection."""
    return [label for _key, label in ast.literal_eval(get_fields(model)[field]['selection'])]


def get_python_files():
    return [
        path for folder in ('models', 'controllers', 'wizards')
        for path in sorted((ROOT / folder).rglob('*.py'))
    ]


class TestReadme(unittest.TestCase):
    def test_ci_runs_the_test_command_of_the_readme(self):
        self.assertIn('\n./dev test\n', read('README.md'))
        self.assertIn('./dev test', read('.ci/run'))


    def test_the_version_is_that_of_the_manifest(self):
        version = ast.literal_eval(read('__manifest__.py'))['version']
        self.assertIn(f'Version {version}', read('README.md'))
        self.assertIn(version, re.search('^## .*$', read('CHANGELOG.md'), re.M)[0])


class TestLimits(unittest.TestCase):
    def test_the_limits_are_those_of_the_code(self):
        const = get_constants('const.py')
        addresses = [
            const['MAX_STARTS_PER_ADDRESS'] * factor for factor in const['IPV6_PREFIXES'].values()
        ]
        refusals = [
            const['MAX_REFUSALS_PER_ADDRESS'] * factor
            for factor in const['IPV6_PREFIXES'].values()
        ]
        rows = get_rows(get_section('docs/security.md', 'Limits'))
        self.assertEqual([row[1] for row in rows], [str(value) for value in (
            const['MAX_STARTS_PER_DOCUMENT'], const['MAX_STARTS_PER_PARTNER'],
            const['MAX_STARTS_PER_ADDRESS'], const['MAX_STARTS_PER_PROVIDER'],
            const['MAX_REFUSALS_PER_ADDRESS'], const['MAX_REFUSALS_PER_PROVIDER'],
            self.get_max_pushes(), const['MAX_EVENTS_PER_HOUR'],
            f"{const['MAX_WEBHOOK_SIZE'] // 1024} KiB", f"{const['MAX_FORM_SIZE'] // 1024} KiB",
        )])
        numbers = [
            [int(number) for number in re.findall(r'(?<!/)\b\d+\b', row[-1])] for row in rows
        ]
        self.assertEqual([n for n in numbers[2] if n >= 100], addresses)
        self.assertEqual([n for n in numbers[4] if n < 200], refusals)
        minutes = int(const['REQUEST_PERIOD'].total_seconds() // 60)
        self.assertIn(f'Within {minutes} minutes', get_section('docs/security.md', 'Limits'))

    def get_max_pushes(self):
        text = '\n'.join(path.read_text() for path in (ROOT / 'models/till').glob('*.py'))
        return int(re.search(r'^MAX_PUSHES = (\d+)$', text, re.M)[1])

    def test_the_waiting_times_and_days_are_those_of_the_code(self):
        text = get_section('docs/security.md', 'Limits')
        self.assertIn(f"{get_constants('patience.py')['WAITING_SECONDS']} seconds", text)
        days = get_constants('const.py')['MARKET_RESERVATION_DAYS']
        deadlines = ' '.join(get_section('docs/payments.md', 'Deadlines').split())
        self.assertIn(f"{days['NO']} days after the payment in Norway", deadlines)
        self.assertEqual(days['DK'], days['FI'])
        self.assertIn(f"{days['DK']} days in Denmark and Finland", deadlines)


class TestLogSteps(unittest.TestCase):
    def test_the_steps_are_those_that_the_code_logs(self):
        documented = {
            step for row in get_rows(get_section('docs/operations.md', 'Logs'))
            for step in re.findall('`(.+?)`', row[0])
        }
        logged, is_dynamic = set(), False
        for path in get_python_files():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, 'id', None) == LOG:
                    step = node.args[1]
                    if isinstance(step, ast.Constant):
                        logged.add(step.value)
                    else:
                        is_dynamic = True
        self.assertTrue(is_dynamic)
        self.assertLessEqual(logged, documented)
        strings = {
            node.value for path in get_python_files()
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        self.assertLessEqual(documented, strings)


    def test_the_kinds_of_tasks_are_steps(self):
        text = get_section('docs/operations.md', 'Logs')
        kinds = [
            kind for kind, _label in ast.literal_eval(get_fields('vipps.task')['kind']['selection'])
        ]
        added = re.findall(  # By other packages.
            r"^KINDS\['(\w+)'\] =", ''.join(path.read_text() for path in get_python_files()),
            re.MULTILINE,
        )
        self.assertTrue(added)
        for kind in kinds + added:
            with self.subTest(kind=kind):
                self.assertIn(f'`{kind}`', text)


class TestTables(unittest.TestCase):
    def test_the_jobs_are_those_of_the_addon(self):
        names = re.findall(
            '<field name="name">Vipps MobilePay: (.+?)</field>',
            ''.join(path.read_text() for path in sorted((ROOT / 'data').glob('ir_cron*.xml'))),
        )
        documented = [row[0] for row in get_rows(get_section('docs/operations.md', 'Jobs'))]
        documented = [name for name in documented if "Odoo's" not in name]
        self.assertCountEqual(documented, names)

    def test_the_states_of_events_are_those_of_the_inbox(self):
        rows = get_rows(get_section('docs/operations.md', 'Events'))
        self.assertEqual(
            [row[0] for row in rows], get_labels('vipps.webhook.event', 'state')
        )

    def test_the_actions_are_those_of_the_audit_trail(self):
        rows = get_rows(get_section('docs/security.md', 'Audit trail'))
        self.assertCountEqual(
            [label for row in rows for label in row[0].split(', ')],
            get_labels('vipps.audit.event', 'action'),
        )

    def test_the_days_are_those_of_the_settings(self):
        fields = get_fields('payment.provider')
        rows = get_rows(get_section('docs/privacy.md', 'How long it is kept'))
        self.assertEqual([int(row[1].split()[0]) for row in rows], [
            eval(ast.unparse(fields[name]['default'])) for name in (
                'vipps_user_info_days', 'vipps_event_days', 'vipps_call_days', 'vipps_audit_days',
            )
        ])


class TestWalk(unittest.TestCase):
    def test_the_methods_of_the_walk_are_in_its_files(self):
        rows = get_rows(get_section('docs/development.md', 'The walk of a payment'))
        self.assertGreater(len(rows), 10)
        for _step, files, methods in rows:
            files = re.findall('`(.+?)`', files)
            defined = {
                node.name for name in files for node in ast.walk(ast.parse(read(name)))
                if isinstance(node, ast.FunctionDef)
            }
            for method in re.findall('`(.+?)`', methods):
                with self.subTest(files=files, method=method):
                    self.assertIn(method, defined)

    def test_the_paths_of_the_page_exist(self):
        for name in re.findall(r'`([\w./]+/[\w./]*)`', read('docs/development.md')):
            with self.subTest(name=name):
                self.assertTrue((ROOT / name).exists())


class TestWords(unittest.TestCase):
    def test_the_sheets_for_cashiers_use_the_words_of_the_till(self):
        """Words of the addon are bold, those of Odoo italic."""
        for language in ('en', *LANGUAGES):
            terms = get_terms('nb' if language == 'en' else language)
            shown = set(terms if language == 'en' else terms.values())
            name = 'docs/cashier.md' if language == 'en' else f'docs/cashier.{language}.md'
            words = re.findall(r'\*\*(.+?)\*\*', read(name))
            self.assertGreater(len(words), 15)
            for word in words:
                with self.subTest(language=language, word=word):
                    self.assertTrue({word, BRAND.sub('%s', word)} & shown)

    def test_the_terms_of_the_glossary_are_those_of_the_texts(self):
        """Endings differ: the last letters of a long term do not count."""
        texts = {
            language: '\n'.join(get_terms(language).values()).lower() for language in LANGUAGES
        }
        rows = get_rows(read('docs/glossary.md'))
        self.assertGreater(len(rows), 30)
        for term, _meaning, *translations in rows:
            for language, cell in zip(LANGUAGES, translations, strict=True):
                for word in cell.split(', '):
                    stem = word.lower()[:4] + word.lower()[4:-2]
                    with self.subTest(term=term, language=language, word=word):
                        self.assertRegex(texts[language], rf'\b{re.escape(stem)}')
