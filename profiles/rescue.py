"""Where a run goes that its store can't take and nobody can be asked about."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engines.errors import FileError
from profiles.store import Store, Stored

if TYPE_CHECKING:
    from profiles.samples import RawSamples
    from profiles.schema import Profile


def rescue(profile: Profile, samples: RawSamples) -> Stored:
    """Save in a new folder for temporary files; FileError where there is no room either."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="infer-tui-"))
    except OSError as error:
        raise FileError(
            f"there is no folder for temporary files: {error.strerror or error}",
            hint="set TMPDIR to one that can be written",
        ) from error
    try:
        return Store(folder).save(profile, samples)
    except FileError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
