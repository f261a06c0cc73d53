"""Sphinx's settings for the site. build.py calls it."""

import os

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

REPOSITORY = os.environ["MNIST_LIB_REPOSITORY"]
ON_GITHUB = REPOSITORY.startswith("https://github.com/")  # which the theme's links and Colab are made for

project = "13,960 numbers"
author = copyright = "the mnist_lib authors"
html_title = "13,960 numbers"
extensions = ["myst_nb"]
language = "en"

nb_execution_mode = "off"  # outputs as committed
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["myst.strikethrough", "mystnb.unknown_mime_type"]

html_theme = "sphinx_book_theme"
html_theme_options = {
    "use_repository_button": ON_GITHUB,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the search is in the sidebar
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if ON_GITHUB:
    html_theme_options |= {
        "repository_url": REPOSITORY,
        "repository_branch": "main",
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }
html_static_path = ["static"]
html_css_files = ["book.css"]
html_extra_path = [os.path.join(os.environ["MNIST_LIB_BOOK_SOURCE"], "extra")]
exclude_patterns = ["extra"]
html_show_sourcelink = False
html_copy_source = False


def setup(app) -> None:
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))


html_math_renderer = "mathml"  # browsers draw it themselves: no script from elsewhere


def inline(translator, node) -> None:
    translator.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def block(translator, node) -> None:
    translator.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def mathml(node, as_block: bool) -> str:
    """TeX as MathML; a command that docutils does not know is a warning, which stops the build."""
    try:
        return tex2mathml(node.astext().replace("\\dots", "\\ldots"), as_block=as_block)
    except MathError as error:
        logging.getLogger(__name__).warning("%s in %s", error, node.astext(), location=node)
        return node.astext()
