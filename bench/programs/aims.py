"""What warren has set itself as a limit for a row, and whether a run of the benchmark meets it.

A limit is met when the figure, rounded as the limit is written, is not above it.
"""


class Slowdown:
    """At most so many times slower than native."""

    def __init__(self, limit):
        self.limit = limit
        self.text = f"{limit:.2f}x"

    def value(self, figures, row, column):
        """The figure that is compared with the limit; None where it was not measured."""
        return figures.slowdown(row, column)

    def met(self, figures, row, column):
        """True or False; None where it was not measured."""
        value = self.value(figures, row, column)
        return None if value is None else round(value, 2) <= self.limit

    def slowdown(self, figures, row):
        """Where the limit is on a scale of slowdowns; None where it is not on it."""
        return self.limit


class AtMost(Slowdown):
    """At most this figure, in the row's unit, whatever native takes."""

    def __init__(self, limit, text):
        super().__init__(limit)
        self.text = text

    def value(self, figures, row, column):
        return figures.median(row, column)

    def met(self, figures, row, column):
        value = self.value(figures, row, column)
        return None if value is None else value <= self.limit

    def slowdown(self, figures, row):
        native = figures.median(row, "native")
        return self.limit / native if native else None


class BeyondNative(AtMost):
    """At most so much more than native, in the row's unit."""

    def value(self, figures, row, column):
        return figures.beyond_native(row, column)


class NoWorseThan(Slowdown):
    """The slowdown is at most so many times that of the row `other`, which `what` names to the
    reader: the number of guests does not matter."""

    def __init__(self, other, what, limit=1.10):
        super().__init__(limit)
        self.other = other
        self.text = f"{what} + {limit - 1:.0%}"

    def value(self, figures, row, column):
        here = figures.slowdown(row, column)
        there = figures.slowdown(self.other, column)
        return here / there if here and there else None

    def slowdown(self, figures, row):
        return None
