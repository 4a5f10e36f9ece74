"""Finding the saved model that ``--model`` means."""

from __future__ import annotations

import glob
from pathlib import Path

from toolkit.train.saved_model import DESCRIPTION
from toolkit.utils.errors import UserError

_BELOW = (f"*/{DESCRIPTION}", f"model/*/{DESCRIPTION}", f"*/model/*/{DESCRIPTION}")


def find_model(given: str) -> Path:
    """The folder of the saved model: `given` itself, or the only one below it.

    `given` may be the model's folder, ``<save_root>-trimodal``, a folder of such, or the ``--save_root`` of the
    training (without the ending).

    Raises:
        UserError: no model there, or several (all of them named).
    """
    place = Path(given).expanduser()
    if (place / DESCRIPTION).is_file():
        return place
    roots = [place]
    if not place.is_dir() and place.name:
        roots = [root for root in sorted(place.parent.glob(f"{glob.escape(place.name)}-*")) if root.is_dir()]
    found = sorted({path.parent for root in roots for pattern in _BELOW for path in root.glob(pattern)})
    found = [folder for folder in found if not folder.name.startswith(".")]  # half written ones
    if len(found) == 1:
        return found[0]
    if found:
        listed = "\n  ".join(str(folder) for folder in found)
        raise UserError(f"--model {given}: {len(found)} saved models below it; choose one:\n  {listed}")
    reason = "holds no saved model" if roots and (roots != [place] or place.exists()) else "does not exist"
    raise UserError(f"--model {given}: {reason} (a folder with {DESCRIPTION}); train with main-release.py --savemodel")
