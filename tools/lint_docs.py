"""Check the documentation: links and pictures that lead somewhere, and short lines."""

import re
import sys

from .cache import ROOT

MAX_LENGTH = 120
MAX_README_LINES = 150
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src="([^"]+)"')
CODE = re.compile(r'^```.*?^```|^    .*?$|`[^`\n]*`', re.MULTILINE | re.DOTALL)


def findings(root=ROOT):
    """Return the faults of the pages, as lines that name the place."""
    pages = [
        page for pattern in ('*.md', 'docs/*.md', 'static/description/*.html')
        for page in sorted(root.glob(pattern))
    ]
    texts = {page: page.read_text() for page in pages}
    found = []
    for page, text in texts.items():
        name = page.relative_to(root).as_posix()
        found += [
            f'{name}:{number}: the line has more than {MAX_LENGTH} characters'
            for number, line in enumerate(text.splitlines(), 1)
            if len(line) > MAX_LENGTH and not line.startswith('|')  # Rows cannot be broken.
        ]
        found += [
            f'{name}: {target} leads nowhere'
            for target in _get_targets(text if page.suffix == '.html' else CODE.sub('', text))
            if not _leads_somewhere(page, target)
        ]
        if name == 'README.md' and text.count('\n') > MAX_README_LINES:
            found.append(f'{name}: more than {MAX_README_LINES} lines')
    return found


def get_anchors(text):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S), re.M)
    return {re.sub(r'[^\w\- ]', '', heading).lower().replace(' ', '-') for heading in headings}


def _get_targets(text):
    """Return the addresses of the links and pictures of a page that stay in the repository."""
    targets = [link or picture for link, picture in LINK.findall(text)]
    return [target for target in targets if '://' not in target]


def _leads_somewhere(page, target):
    """Return whether a page links to a file that exists, and to one of its headings."""
    path, _hash, anchor = target.partition('#')
    linked = page.parent / path if path else page
    return linked.exists() and (not anchor or anchor in get_anchors(linked.read_text()))


def main():
    """Print all findings; the exit code is 1 when there are any."""
    found = findings()
    print(*found, sep='\n', end='\n' if found else '')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
