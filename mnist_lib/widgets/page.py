"""The view of a network as a page of its own: one file, in which everything is, and which asks for nothing."""

import base64
import html
import json
import zlib
from string import Template

from mnist_lib.widgets.bundle import HERE, script

START = 'window.inside = await mount(document.getElementById("inside"), packed);'
DESCRIPTION = (
    "Draw a digit, watch a whole network answer it, and take any of its numbers apart. It all happens in your browser."
)


def packed(body: bytes) -> str:
    """Bytes as text that inside.js unpacks."""
    return base64.b64encode(zlib.compress(body, 9)).decode()


def page(
    network: dict, weights: bytes, digits: bytes, *, title: str, heading: str, about: str, more: dict | None = None, **parts
) -> str:
    """The whole page as one text. The first three as payload.content gives them.

    title, heading: text; about: HTML, the footer; more: what lies beside them in `packed`. parts, HTML or text: js and css in
    place of the view's own, start (how it begins, in JavaScript), head and scripts (elements of their own), description.
    """
    content = {"network": network, "weights": packed(weights), "digits": packed(digits)} | (more or {})
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "css": (HERE / "inside.css").read_text(),
        "start": START,
        "head": "",
        "scripts": "",
        "description": DESCRIPTION,
    } | parts
    if "js" not in parts:
        parts["js"] = script()
    parts |= {"title": html.escape(title), "heading": html.escape(heading), "about": about, "content": text}
    return Template((HERE / "page.html").read_text()).substitute(parts)


def title_of(network: dict) -> str:
    return f"Look inside a network of {network['parameters']:,} numbers that reads handwriting"


def heading_of(network: dict) -> str:
    return f"How can {network['parameters']:,} numbers read handwriting?"


def about_of(network: dict) -> str:
    """The footer: what a network's layers are, and how many of its digits it reads correctly."""
    known = [(label, answer) for label, answer in zip(network["labels"], network["reads"]) if label >= 0]
    right = sum(label == answer for label, answer in known)
    counted = f" It reads {right:,} of the {len(known):,} digits inside this page correctly." if known else ""
    layers = ", ".join(layer["name"] for layer in network["layers"])
    return (
        f"A network of {network['parameters']:,} learnt numbers in {len(network['layers'])} layers: {html.escape(layers)}."
        f"{counted} Nothing you draw leaves this page."
    )
