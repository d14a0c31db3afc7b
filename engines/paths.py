"""Where things are kept: the XDG folders, through platformdirs.

Each function returns a folder that may not exist yet; `ready` makes one and says so if it can't.
"""

from __future__ import annotations

from pathlib import Path

import platformdirs

from engines.errors import FileError

APP = "infer-tui"


def cache_folder() -> Path:
    """Conversions, compiled code and answers that can be made again."""
    return Path(platformdirs.user_cache_dir(APP))


def data_folder() -> Path:
    """What a user measured and would miss: the profiles."""
    return Path(platformdirs.user_data_dir(APP))


def state_folder() -> Path:
    """Logs and what the app remembers between starts."""
    return Path(platformdirs.user_state_dir(APP))


def config_folder() -> Path:
    """The user's own `config.toml`."""
    return Path(platformdirs.user_config_dir(APP))


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
