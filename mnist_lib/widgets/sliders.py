"""The pictures of `plots`, to play with. Each notebook draws the static picture first: GitHub shows no widget."""

import io
from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.figure import Figure


def explorer(draw: Callable[..., Figure], **controls: widgets.Widget) -> widgets.Widget:
    """Controls beside the picture that draw(name=value, ...) makes of them; a ValueError's sentence is shown instead.

    The picture is an image, not an Output widget: those make headless runs hang now and then (nbclient issue 312).
    """
    picture, sentence = widgets.Image(format="png", layout={"max_width": "100%"}), widgets.Label()

    def refresh(_change=None) -> None:
        sentence.value = ""
        try:
            figure = draw(**{name: control.value for name, control in controls.items()})
        except ValueError as error:
            sentence.value = str(error)
            return
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=150)
        picture.value, picture.width = png.getvalue(), str(round(100 * figure.get_figwidth()))

    for control in controls.values():
        control.observe(refresh, "value")
    refresh()
    return widgets.HBox([widgets.VBox(list(controls.values())), widgets.VBox([picture, sentence])])


def slider(name: str, value: float, low: float, high: float, step: float = 1) -> widgets.Widget:
    """A slider that redraws when it is let go."""
    kind = widgets.IntSlider if all(isinstance(number, int) for number in (value, low, high, step)) else widgets.FloatSlider
    wide = {"style": {"description_width": "110px"}, "layout": {"width": "330px"}}
    return kind(value, min=low, max=high, step=step, description=name, continuous_update=False, **wide)
