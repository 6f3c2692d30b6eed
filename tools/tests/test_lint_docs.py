import tempfile
import unittest
from pathlib import Path

from tools.lint_docs import findings, get_anchors

PAGE = '''# Set up *it*: the "guide", 2.0

See [tills](till.md#close-the-session), [below](#set-up-it-the-guide-20) and [us](https://example.com/#x).

    [no link](in.code)

<img src="picture.png"
alt="A picture" width="600">
'''


class TestLintDocs(unittest.TestCase):
    def find(self, page, **files):
        """Return the findings in a page of `docs/` that stands beside other files."""
        with tempfile.TemporaryDirectory() as folder:
            docs = Path(folder, 'docs')
            docs.mkdir()
            for name, text in {'page.md': page, **files}.items():
                (docs / name.replace('__', '.')).write_text(text)
            return findings(Path(folder))

    def test_links_to_files_headings_and_other_sites_are_fine(self):
        self.assertEqual(
            self.find(PAGE, till__md='## Close the session\n', picture__png=''), []
        )

    def test_a_missing_file_heading_or_picture_is_found(self):
        self.assertEqual(self.find(PAGE, till__md='## Open the session\n'), [
            'docs/page.md: till.md#close-the-session leads nowhere',
            'docs/page.md: picture.png leads nowhere',
        ])
        self.assertEqual(self.find('[here](#there)'), ['docs/page.md: #there leads nowhere'])

    def test_pictures_of_the_store_page_are_looked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, 'static/description/index.html')
            page.parent.mkdir(parents=True)
            page.write_text('<p>\n    <img src="till.png"/> <img src="https://example.com/x.png"/>\n')
            self.assertEqual(
                findings(Path(folder)), ['static/description/index.html: till.png leads nowhere']
            )

    def test_a_long_line_is_found_unless_it_is_a_row(self):
        self.assertEqual(self.find(f"{'x' * 120}\n| {'x' * 120} |\n{'x' * 121}\n"), [
            'docs/page.md:3: the line has more than 120 characters',
        ])

    def test_a_long_readme_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, 'README.md').write_text('\n' * 151)
            self.assertEqual(findings(Path(folder)), ['README.md: more than 150 lines'])

    def test_comments_in_code_are_no_headings(self):
        self.assertEqual(get_anchors('## One, two\n```\n# three\n```\n'), {'one-two'})
