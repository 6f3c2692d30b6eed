"""Print measurements as a table."""

import math
import statistics
from dataclasses import dataclass

HEAD = ("What", "Measured", "Compared with", "Ratio", "Target", "Met")


@dataclass
class Row:
    """A line of the table; cells that do not apply are empty."""

    what: str
    measured: str
    compared: str = ''
    ratio: float = None
    target: str = ''
    met: bool = None

    def cells(self):
        """Return the texts of the line."""
        return (
            self.what, self.measured, self.compared,
            '' if self.ratio is None else f'{self.ratio:.2f}', self.target,
            '' if self.met is None else 'yes' if self.met else '**no**',
        )


def table(rows):
    """Return rows as a table in Markdown."""
    return grid(HEAD, [row.cells() for row in rows])


def grid(head, cells):
    """Return lines of texts below their heads as a table in Markdown, as wide as its texts."""
    lines = [head, *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], ['-' * width for width in widths], *lines[1:]]
    return '\n'.join(
        '| ' + ' | '.join(map(str.ljust, line, widths)) + ' |' for line in ruled
    )


def percentile(values, percent):
    """Return the smallest of the values that at least so many of them do not exceed."""
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def p95(values):
    """Return the 95th percentile of the values."""
    return percentile(values, 95)


def in_ms(values):
    """Return the median and the 95th percentile of times in seconds, in words."""
    return f'{statistics.median(values) * 1000:.1f} ms (p95 {p95(values) * 1000:.1f})'


def ratio_of_medians(values, others):
    """Return how many times the others' median the median of the values is."""
    return statistics.median(values) / statistics.median(others)
