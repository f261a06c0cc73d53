"""Pictures of what the other rooms return. Every function returns a matplotlib Figure; a notebook shows it by naming it."""

from mnist_lib.plots.fields import (
    boxes_in_a_row,
    cone,
    effective,
    field_disputes,
    fields_on_digit,
    from_the_side,
    marked_units,
    one_unit,
)
from mnist_lib.plots.images import grid, mistakes, pairs, two_maps, versions
from mnist_lib.plots.inside import beside_people, evidence, excited_by, filters, lesions, looking_inside, reliability
from mnist_lib.plots.network import architecture, before_after, budget, influence, number_grids, spreads
from mnist_lib.plots.pictures import handwriting_steps
from mnist_lib.plots.speed import accuracy_over_time, calls, ladder, layer_shares, memory_orders, step_times
from mnist_lib.plots.studies import accuracy_over_parameters, differences, seeds
from mnist_lib.plots.style import DARK, LIGHT, ORANGE, use_theme
from mnist_lib.plots.training import LiveCurves, by_step, curves, learning_rates, line, valley

__all__ = [
    "DARK",
    "LIGHT",
    "ORANGE",
    "LiveCurves",
    "accuracy_over_parameters",
    "accuracy_over_time",
    "architecture",
    "before_after",
    "beside_people",
    "boxes_in_a_row",
    "budget",
    "by_step",
    "calls",
    "cone",
    "curves",
    "differences",
    "effective",
    "evidence",
    "excited_by",
    "field_disputes",
    "fields_on_digit",
    "filters",
    "from_the_side",
    "grid",
    "handwriting_steps",
    "influence",
    "ladder",
    "layer_shares",
    "learning_rates",
    "lesions",
    "line",
    "looking_inside",
    "marked_units",
    "memory_orders",
    "mistakes",
    "number_grids",
    "one_unit",
    "pairs",
    "reliability",
    "seeds",
    "spreads",
    "step_times",
    "two_maps",
    "use_theme",
    "valley",
    "versions",
]
