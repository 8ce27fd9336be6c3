"""What makes a training table suspect: the champion's surprise, leaks, labels that are probably wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from iris_core.ledger.records.base import Payload

OnSuspect = Literal["ask", "refuse", "accept"]


class Closed(Payload):
    """A part of the gate's evidence, which has no other fields."""

    model_config = ConfigDict(extra="forbid")


class Surprise(Closed):
    """How right the champion is on the new table, and models like it on its own table.

    `p_value` is Fisher's, one-sided: so many wrong answers more by chance. At most `limit`, and the table is
    suspect: labels are wrong, or the world has changed, which no number can tell apart. `on_suspect` is what
    the deployment does then. `compared_on`: rows whose features were not learnt from, or all.
    `own_by`: on its holdout, or on its whole table by cross-validation.
    """

    right: int
    rows: int
    own_right: int
    own_rows: int
    p_value: float
    limit: float
    on_suspect: OnSuspect
    compared_on: Literal["unseen rows", "all rows"] = "unseen rows"
    own_by: Literal["holdout", "cross-validation"] = "holdout"

    @property
    def is_suspect(self) -> bool:
        return self.p_value <= self.limit

    @property
    def sentence(self) -> str:
        new, own = self.right / self.rows, self.own_right / self.own_rows
        unseen = " that it was not trained on" if self.compared_on == "unseen rows" else ""
        own_rows = "holdout rows" if self.own_by == "holdout" else "rows by cross-validation"
        found = (
            f"the champion is right on {new:.0%} of {self.rows} rows of this table{unseen}, "
            f"and on {own:.0%} of its own {self.own_rows} {own_rows}"
        )
        if not self.is_suspect:
            return found
        return f"{found} (p = {self.p_value:.2g}): labels are wrong, or the world has changed"


TOGETHER = "all columns together"


class Leak(Closed):
    """A feature that alone names the class almost always, and did not in the champion's table.

    Answers of a small decision tree, cross-validated, on either table; for `TOGETHER`, of clones of the
    champion. `p_value` is Fisher's, one-sided: so many right answers more by chance.
    """

    feature: str
    right: int
    rows: int
    own_right: int
    own_rows: int
    p_value: float

    @property
    def sentence(self) -> str:
        who = f"{self.feature} tell" if self.feature == TOGETHER else f"{self.feature} alone tells"
        return (
            f"{who} {self.right / self.rows:.0%} of {self.rows} labels, "
            f"and told {self.own_right / self.own_rows:.0%} of {self.own_rows} in the champion's table"
        )


class Leaks(Closed):
    """Features that may leak the label; `on_suspect` is what the deployment does then."""

    found: tuple[Leak, ...]
    on_suspect: OnSuspect

    @property
    def sentence(self) -> str:
        told = "; ".join(leak.sentence for leak in self.found)
        return f"{told}: does a column know the answer before it is asked?"


class Doubt(Closed):
    """A label that is probably wrong: `row` as a spreadsheet shows it, what is `likely` instead, and how sure
    models are that never saw the row (cross-validated probabilities of both)."""

    row: int
    label: str
    label_probability: float
    likely: str
    likely_probability: float


class Doubts(Closed):
    """The labels of a suspect table that are most probably wrong, of `count`; `uri` is the list as a CSV."""

    count: int
    worst: tuple[Doubt, ...]
    uri: str = ""

    @property
    def sentence(self) -> str:
        if not self.count:
            return "no single label stands out against the others of this table"
        rows = ", ".join(str(each.row) for each in self.worst[:5])
        where = f", the worst are listed in {self.uri}" if self.uri else ""
        return f"{self.count} labels are probably wrong, first those of rows {rows}{where}"
