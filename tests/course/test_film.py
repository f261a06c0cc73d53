"""The film of README."""

from course import film
from mnist_lib.support.paths import ROOT


def test_film_is_small_and_has_its_stills():
    for scheme in ("light", "dark"):
        film, still = (ROOT / f"figures/inside-{scheme}.{end}" for end in ("webp", "png"))
        assert 100_000 < film.stat().st_size < 2_000_000 and 20_000 < still.stat().st_size < 500_000
        assert b"ANIM" in film.read_bytes()[:64]


def test_film_is_made_anew_when_the_page_has_changed(tmp_path, monkeypatch, capsys):
    made, path = [], tmp_path / "index.html"
    monkeypatch.setattr(film.page, "PAGE", path)
    monkeypatch.setattr(film.page, "write_page", lambda text: path.write_text(text))
    monkeypatch.setattr(film, "write_film", lambda: made.append(path.read_text()))
    for text in ("a", "a", "b"):
        film.renew(text)
    assert made == ["a", "b"]

    def no_browser():
        raise RuntimeError("This needs a browser: install chromium or google-chrome.")

    monkeypatch.setattr(film, "write_film", no_browser)
    film.renew("c")
    assert "as it was before. This needs a browser" in capsys.readouterr().out
