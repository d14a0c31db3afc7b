"""Where things are kept: the XDG folders, through platformdirs.

Each function returns a folder that may not exist yet; `ready` makes one and says so if it can't.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import platformdirs

from engines.errors import FileError

APP = "infer-tui"


def cache_folder() -> Path:
    """Conversions, compiled code and answers that can be made again."""
    return _folder(platformdirs.user_cache_dir)


def data_folder() -> Path:
    """What a user measured and would miss: the profiles."""
    return _folder(platformdirs.user_data_dir)


def config_folder() -> Path:
    """What the user wrote for infer-tui: it is read, never written."""
    return _folder(platformdirs.user_config_dir)


def state_folder() -> Path:
    """Logs and what the app remembers between starts."""
    return _folder(platformdirs.user_state_dir)


def _folder(of: Callable[[str], str]) -> Path:
    try:
        return Path(of(APP))
    except RuntimeError as error:
        # A user without a name and without HOME, as containers have.
        raise FileError(
            "there is no home folder to keep anything in", hint="set HOME or the XDG variables"
        ) from error


def ready(folder: Path) -> Path:
    """Make `folder` if need be; FileError where that is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"can't make the folder {folder}: {error.strerror or error}",
            hint="choose another by XDG_CACHE_HOME, XDG_DATA_HOME or XDG_STATE_HOME",
        ) from error
    return folder
