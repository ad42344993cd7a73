"""The strokes, the theme and the registry: fixed colours, no markup from users, a clear word for what has no figure."""

import numpy as np
import plotly.io as pio
import pytest

import cycloid as cy
from cycloid import figures
from cycloid.figures.draw import band, calm_range, canvas, curve, exact, label, ticks
from cycloid.figures.theme import DARK, LIGHT, METHODS, colour_of, mixed, template
from cycloid.optimize import METHODS as KNOWN


def test_every_method_has_a_colour_of_its_own():
    for dark in (False, True):
        colours = [colour_of(name, dark) for name in KNOWN]
        assert len(set(colours)) == len(colours), dict(zip(KNOWN, colours))


def test_a_method_has_one_colour_however_it_is_written():
    assert {colour_of(n) for n in ("AdamW", "adamw", "Adam_W", "AdamW(1e-3)")} == {LIGHT[METHODS["AdamW"]]}
    assert colour_of("some method of mine") == colour_of("some method of mine")


def test_text_is_readable_on_both_papers():
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colours in (LIGHT, DARK):
        for name in ("ink", "muted"):
            high, low = sorted((luminance(colours["paper"]), luminance(colours[name])), reverse=True)
            assert (high + 0.05) / (low + 0.05) > 4.5, name


def test_the_templates_are_known_to_plotly_and_valid():
    for name, dark in (("cycloid", False), ("cycloid-dark", True)):
        assert pio.templates[name].layout.paper_bgcolor == template(dark)["layout"]["paper_bgcolor"]


def test_mixed_colours_lie_between():
    assert mixed("#000000", "#ffffff", 0.5) == "#808080"


def test_labels_are_letters_and_no_markup():
    assert label('<b>&"') == '&lt;b&gt;&amp;"'


def test_curves_and_bands_hold_the_numbers_they_were_given():
    fig = canvas("title", "subtitle")
    x, y = np.linspace(0, 1, 7), np.linspace(3, 4, 7)
    curve(fig, x, y, "<b>f</b>", "#2457d6")
    band(fig, x, y - 1, y + 1, "f", "#2457d6")
    np.testing.assert_array_equal(fig.data[0].x, x)
    np.testing.assert_array_equal(fig.data[0].y, y)
    assert fig.data[0].name == "&lt;b&gt;f&lt;/b&gt;"
    np.testing.assert_array_equal(fig.data[1].y[:7], y + 1)
    np.testing.assert_array_equal(fig.data[1].y[7:], (y - 1)[::-1])


def test_bands_leave_out_what_is_not_finite():
    fig = canvas()
    band(fig, [0, 1, 2], [0, np.nan, 0], [1, 1, np.inf], "f", "#2457d6")
    np.testing.assert_array_equal(fig.data[0].x, [0, 0])


def test_evaluations_are_ticks_and_the_exact_answer_is_a_line():
    fig = canvas()
    ticks(fig, [1.0, 2.0, 2.5])
    exact(fig, 2.0, "π")
    np.testing.assert_array_equal(fig.data[0].x, [1.0, 2.0, 2.5])
    assert fig.layout.shapes[0].y0 == 2.0
    assert fig.layout.annotations[0].text == "π"


def test_an_axis_stays_calm_at_a_pole_and_shows_all_of_what_is_tame():
    x = np.linspace(-1, 1, 400)
    low, high = calm_range(1 / x)
    assert high < 60
    assert low > -60
    low, high = calm_range(x)
    assert low < -1
    assert high > 1
    assert calm_range([np.nan, np.inf]) is None
    low, high = calm_range([2.0, 2.0])
    assert low < 2 < high


def test_what_has_no_figure_is_answered_with_what_has():
    with pytest.raises(TypeError, match=r"Comparison, .*Minimum, .*Race, .*Run"):
        cy.figure(3.0)


def test_the_package_names_what_it_offers():
    for name in figures.__all__:
        assert callable(getattr(figures, name))
    with pytest.raises(AttributeError, match="write_report"):
        figures.nothing
