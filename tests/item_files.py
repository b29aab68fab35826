"""Item files of a `SceneFolder`."""

import json


def item_file(folder, site, product, number=0, change=None):
    """Write the item of a scene, changed by a function that is given the item; the path."""
    item = json.loads(json.dumps(site.items[product][number]))
    if change is not None:
        change(item)
    path = folder / f"{product}-{number}.json"
    path.write_text(json.dumps(item))
    return str(path)
