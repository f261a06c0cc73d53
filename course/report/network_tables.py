"""The network as tables: its layers as the card prints them, and their receptive fields."""

from torch import nn

from course.report.markdown import markdown_table
from mnist_lib.model.digitnet import ROWS, DigitNet
from mnist_lib.receptive_field import receptive_fields


def summary_table(model: nn.Module) -> str:
    """The layers as the card's Model Summary prints them, from torchinfo's rows."""
    from torchinfo import summary  # here: only this table needs it

    layers = [layer for layer in summary(model, (1, 1, 28, 28), depth=1, verbose=0).summary_list if layer.depth == 1]
    line, double = "-" * 64, "=" * 64
    text = [line, f"{'Layer (type)':>20} {'Output Shape':>25} {'Param #':>15}", double]
    for number, layer in enumerate(layers, 1):
        shape = str([-1, *layer.output_size[1:]])
        text.append(f"{f'{layer.class_name}-{number}':>20} {shape:>25} {layer.trainable_params:>15,}")
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    text += [double, f"Total params: {total:,}", f"Trainable params: {trainable:,}"]
    return "\n".join([*text, f"Non-trainable params: {total - trainable:,}", line])


def field_table() -> str:
    """The receptive fields of the card's ten layers, as a Markdown table."""
    fields = receptive_fields(DigitNet(), (28, 28))
    rows = []
    for name in ROWS:
        field = fields[name]
        sizes = (f"{height}×{width}" for height, width in (field.output_size, field.size))
        rows.append((name, *sizes, f"{field.jump[0]:g}", f"{field.start[0]:g}"))
    return markdown_table("| layer | output | field | jump | first centre |", rows)
