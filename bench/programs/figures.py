"""What is computed from the samples: medians, ratios to native, and how a figure is written."""

import statistics

# Units of which more is better; everything else is a time or an amount of memory.
RATES = ("/s",)


class Figures:
    """The medians of one run of the benchmark. `samples` is {row name: {column name: [figure]}},
    `rows` the rows in order."""

    def __init__(self, rows, samples):
        self.units = {row.name: row.unit for row in rows}
        self._medians = {row: {column: statistics.median(s) for column, s in by_column.items() if s}
                         for row, by_column in samples.items()}

    def median(self, row, column):
        """The median, or None where nothing was measured."""
        return self._medians.get(row, {}).get(column)

    def medians(self, row):
        """{column: median} of a row."""
        return self._medians.get(row, {})

    def slowdown(self, row, column):
        """How many times slower than native; None where there is no such figure. Of memory there
        is none: see `beyond_native`."""
        value, native = self.median(row, column), self.median(row, "native")
        if not value or not native or self.units[row] == "KB":
            return None
        return native / value if self.units[row] in RATES else value / native

    def beyond_native(self, row, column):
        """The difference to native, in the row's unit; None where one of the two is missing."""
        value, native = self.median(row, column), self.median(row, "native")
        return None if value is None or native is None else value - native


def text(value, unit):
    """A figure with its unit, in three digits or so."""
    if unit == "s" and value < 0.1:
        value, unit = value * 1000, "ms"
    if unit == "KB" and value >= 10_000:
        value, unit = value / 1024, "MB"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}{'' if unit in RATES else ' '}{unit}"
