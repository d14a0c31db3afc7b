"""What a profile holds: one run of one plan on one machine.

Times carry their unit in their name (`_ms`), `seconds` are seconds, memory is bytes. A field that
is None was not measured and is absent from the file: TOML has no null.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from engines.machine import Machine
from engines.plan import Record, RunPlan
from engines.results import EngineResult

SCHEMA = 1

Ending = Literal["complete", "stopped", "failed"]

NotNegative = Annotated[int, Meta(ge=0)]


class RunRecord(Record, frozen=True, kw_only=True):
    """When and how the run was made. `started` is in UTC, `seconds` the wall time it took.

    `tool_commit` is the commit of this program, where it is known; `input` what kind of numbers
    the engines were given, which the plan's `input_seed` makes; `variables` are the environment
    variables that change what frameworks do.
    `rounds` are those in which engines took turns: the indices of the entries in the order in which
    they measured a block each, drawn anew for every round from a generator seeded with `id`.
    """

    id: str
    started: Annotated[datetime, Meta(tz=True)]
    seconds: Annotated[float, Meta(ge=0)]
    ending: Ending
    name: str = ""
    tool_version: str = ""
    tool_commit: str = ""
    command: str = ""
    input: str = ""
    variables: dict[str, str] = {}
    rounds: tuple[tuple[NotNegative, ...], ...] = ()


class ModelIdentity(Record, frozen=True, kw_only=True):
    """Which model was run. Two profiles are of one model when their `digest`s agree.

    `source` says where the weights came from; `macs` are the multiply-adds of one image.
    """

    name: str
    label: str
    source: str = ""
    digest: str = ""
    parameters: NotNegative | None = None
    macs: NotNegative | None = None
    input_shape: tuple[Annotated[int, Meta(ge=1)], ...] = ()


class SamplesFile(Record, frozen=True, kw_only=True):
    """The file of raw samples that lies beside the profile, by name and content."""

    file: Annotated[str, Meta(pattern=r"^[^/\\\x00-\x1f]+\.samples\.npz$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    bytes: NotNegative


class Profile(Record, frozen=True, kw_only=True):
    """One saved run. `results[i]` is what `plan.engines[i]` came to, whether it ran or not."""

    schema: int = SCHEMA
    run: RunRecord
    machine: Machine
    model: ModelIdentity
    plan: RunPlan
    results: tuple[EngineResult, ...]
    samples: SamplesFile | None = None

    @property
    def title(self) -> str:
        """What a person would call this run."""
        return self.run.name or self.plan.name or self.model.label

    @property
    def heading(self) -> str:
        """The title and the model, once each."""
        label = self.model.label
        return label if self.title == label else f"{self.title}: {label}"
