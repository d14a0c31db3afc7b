"""Which engines run, and as what: the state behind the engines panel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engines.plan import EngineSpec
from engines.registry import Availability
from tests.tui.app_support import answers
from tui.selection import Selection


def answered(selection: Selection, found: list[Availability] | None = None) -> Selection:
    for availability in answers() if found is None else found:
        selection.answer(availability)
    return selection


def with_gpu() -> list[Availability]:
    return [replace(one, readiness="ready", reason="") for one in answers()]


def test_what_can_run_is_selected_until_the_user_chooses() -> None:
    selection = answered(Selection())
    assert [spec.engine for spec in selection.specs()] == ["eager", "compile", "onnxruntime"]
    assert not selection.checking
    selection.toggle(0)
    answered(selection)
    assert [spec.engine for spec in selection.specs()] == ["compile", "onnxruntime"]


def test_where_a_gpu_answers_the_cpu_is_left_out() -> None:
    selection = answered(Selection(), with_gpu())
    assert {spec.device for spec in selection.specs()} == {"cuda"}
    assert len(selection.specs()) == 5


def test_what_can_not_run_can_not_be_selected() -> None:
    selection = answered(Selection())
    cuda = next(i for i, one in enumerate(selection.choices) if one.device == "cuda")
    assert not selection.toggle(cuda)
    assert not selection.choices[cuda].selected


def test_every_precision_at_every_batch_size_is_an_entry() -> None:
    selection = answered(Selection())
    for index in (1, 2, 4):
        selection.choices[index].selected = False
    selection.choices[0].change(precisions=("fp32", "bf16"), batches=(1, 8), options={"threads": 2})
    found = [(spec.precision, spec.batch, spec.options) for spec in selection.specs()]
    assert found == [
        ("fp32", 1, {"threads": 2}), ("fp32", 8, {"threads": 2}),
        ("bf16", 1, {"threads": 2}), ("bf16", 8, {"threads": 2}),
    ]  # fmt: skip


def test_a_plan_is_run_as_it_was_written() -> None:
    plan = (
        EngineSpec(engine="eager", device="cpu", precision="fp32", batch=1),
        EngineSpec(engine="eager", device="cpu", precision="bf16", batch=8),
        EngineSpec(engine="onnxruntime", options={"intra_op_threads": 1}),
    )
    selection = answered(Selection(plan))
    assert selection.specs() == plan, "not the cross product of precisions and batch sizes"
    eager = selection.choices[0]
    assert (eager.precisions, eager.batches) == (("fp32", "bf16"), (1, 8))
    eager.change(batches=(4,))
    assert [spec.batch for spec in eager.specs()] == [4, 4]


def test_device_auto_goes_to_the_gpu_once_that_is_known_to_run() -> None:
    plan = (EngineSpec(engine="eager", precision="bf16"),)
    selection = answered(Selection(plan), with_gpu())
    assert [one.device for one in selection.selected] == ["cuda"]
    assert [one.device for one in answered(Selection(plan)).selected] == ["cpu"]


def test_all_or_none() -> None:
    selection = answered(Selection())
    selection.toggle_all()
    assert selection.specs() == ()
    selection.toggle_all()
    assert len(selection.specs()) == 3


def named(engine: str = "tensorrt", **fields: Any) -> Availability:
    """An answer of another interpreter."""
    return Availability(engine, "cuda", "ready", environment="trt86", **fields)


def rows_of(selection: Selection, engine: str) -> list[str]:
    found = [one for one in selection.choices if one.engine.name == engine]
    return [f"{one.device} {one.availability.environment}".strip() for one in found]


def test_an_environment_has_a_row_and_the_one_that_lacks_the_framework_stands_back() -> None:
    selection = answered(Selection())
    assert rows_of(selection, "tensorrt") == ["cuda"]
    selection.answer(named())
    assert rows_of(selection, "tensorrt") == ["cuda trt86"]
    assert selection.specs()[-1].environment == "trt86", "only there: it is selected"


def test_an_environment_without_the_framework_adds_no_row() -> None:
    selection = answered(Selection())
    missing = replace(named("eager"), readiness="unavailable", reason="torch is not installed")
    selection.answer(missing)
    assert rows_of(selection, "eager") == ["cpu", "cuda"]
    selection.answer(replace(missing, versions={"torch": "2.11"}))
    assert rows_of(selection, "eager") == ["cpu", "cuda", "cuda trt86"], (
        "one that is there says why"
    )


def test_of_two_interpreters_that_are_ready_the_apps_own_is_selected() -> None:
    for order in (1, -1):
        selection = Selection()
        for one in [*with_gpu(), named("eager", versions={"torch": "2.11"})][::order]:
            selection.answer(one)
        (eager,) = [spec for spec in selection.specs() if spec.engine == "eager"]
        assert (eager.device, eager.environment) == ("cuda", "")


def test_a_plan_for_an_environment_that_is_not_here_is_not_dropped() -> None:
    plan = (EngineSpec(engine="tensorrt", environment="trt11", device="cuda"),)
    selection = answered(Selection(plan))
    assert selection.checking
    selection.give_up("its environment is not configured here")
    (row,) = [one for one in selection.choices if one.availability.environment]
    assert row.specs() == plan
    assert row.availability.reason == "its environment is not configured here"


def test_precisions_are_those_that_this_interpreter_has() -> None:
    selection = Selection()
    row = next(one for one in selection.choices if one.engine.name == "tensorrt")
    row.precisions = ("bf16", "fp16")
    selection.answer(replace(named(precisions=("fp32", "fp16")), environment=""))
    assert row.possible_precisions == ("fp32", "fp16")
    assert row.precisions == ("fp16",)
    selection.answer(replace(named(precisions=("fp32",)), environment=""))
    assert row.precisions == ("fp32",)


def test_remembered_options_are_for_rows_that_no_plan_sets_up() -> None:
    plan = (EngineSpec(engine="tensorrt", device="cuda", options={"builder_level": 2}),)
    for given, level in (((), 5), (plan, 2)):
        selection = Selection(given)
        selection.remember({"tensorrt": {"builder_level": 5}})
        selection.answer(replace(named(), environment=""))
        (spec,) = (one for one in selection.specs() if one.engine == "tensorrt")
        assert spec.options == {"builder_level": level}


def test_options_set_for_a_row_leave_the_rest_of_a_plan_as_it_was_written() -> None:
    plan = (
        EngineSpec(engine="tensorrt", device="cuda", options={"builder_level": 2}),
        EngineSpec(engine="tensorrt", device="cuda", precision="fp16", batch=8,
                   options={"builder_level": 4, "workspace_mib": 64}),
    )  # fmt: skip
    selection = Selection(plan)
    selection.answer(replace(named(), environment=""))
    row = next(one for one in selection.choices if one.engine.name == "tensorrt")
    row.set_options({"builder_level": 2, "workspace_mib": 0})
    assert row.specs() == plan, "nothing was changed"
    row.set_options({"builder_level": 3, "workspace_mib": 32})
    found = [(spec.precision, spec.batch, spec.options) for spec in row.specs()]
    assert found == [("fp32", 1, {"workspace_mib": 32}), ("fp16", 8, {"workspace_mib": 32})]


def test_engines_that_never_answered_say_why() -> None:
    selection = Selection()
    selection.give_up("the worker could not be started")
    assert not selection.checking
    assert {one.availability.reason for one in selection.choices} == {
        "the worker could not be started"
    }
