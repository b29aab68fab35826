"""A dataset with further sensors stopped at its audit, because a remark on one of them had no name for it."""

from anyband.audit.limits import WARN
from anyband.audit.verdict import unusual
from anyband.products import EXTRA, PRODUCTS


def test_a_remark_on_the_levels_of_any_product():
    entry = next(entry for entry in WARN if entry.comparison == "levels")
    for product in EXTRA:
        found = unusual({}, {product: {"b1": {"pixels": 10.0, **{e.statistic: 1e9 for e in WARN}}}})
        assert any(PRODUCTS[product].heading in remark.found and entry.statistic in remark.found for remark in found)
