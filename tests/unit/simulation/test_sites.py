"""Sites of a dataset against the places of the archive."""

import pytest

from anyband.runtime import UserError
from anyband.simulation.places import check_sites, load_places


def test_every_place_is_one_block_of_the_default_split():
    for place in load_places():
        northing = place.y - 10_000_000 if place.southern else place.y
        for position in (place.x, northing):
            assert 1_920 + 1_000 <= position % 20_000 <= 20_000 - 1_920 - 1_000, place.name


def test_site_outside_the_archive_is_named():
    with pytest.raises(UserError, match="'atlantis' lies outside the embedded archive"):
        check_sites({"atlantis": (-30.0, 40.0)})
    first = load_places()[0]
    with pytest.raises(UserError, match=first.name):
        check_sites({first.name: (first.longitude + 1, first.latitude)})
    check_sites({place.name: (place.longitude, place.latitude) for place in load_places()})
