"""Which engines run, and as what: the state behind the engines panel."""

from __future__ import annotations

from dataclasses import replace

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


def test_an_environment_has_a_row_of_its_own() -> None:
    selection = answered(Selection())
    before = len(selection.choices)
    selection.answer(Availability("tensorrt", "cuda", "ready", environment="trt11"))
    assert len(selection.choices) == before + 1
    assert selection.selected[-1].specs()[0].environment == "trt11"


def test_engines_that_never_answered_say_why() -> None:
    selection = Selection()
    selection.give_up("the worker could not be started")
    assert not selection.checking
    assert {one.availability.reason for one in selection.choices} == {
        "the worker could not be started"
    }
