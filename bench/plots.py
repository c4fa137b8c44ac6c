"""Plots of a run, with the machine and the versions on them."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.contestants import OURS
from bench.results import Growth, Results, Sample, median_latency, median_of

OUR_COLOUR: Final = "#1f6feb"
OTHER_COLOUR: Final = "#8c959f"
OUTLIER: Final = 5
"""Times as large as all others."""
PERCENTILES: Final = (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))


def draw_plots(results: Results, folder: Path) -> list[Path]:
    """Writes an SVG for each kind of measurement that was made."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "kafka_processor"  # the same figures, the same file
    caption = f"{results.machine}; {results.date}"
    drawn = []
    if results.throughput:
        drawn.append(_save(_throughput(results), caption, folder / "throughput.svg"))
    if results.steady:
        drawn.append(_save(_latency(results), caption, folder / "latency.svg"))
    if results.members or results.partitions or results.sizes or results.backlogs:
        drawn.append(_save(_growth(results), caption, folder / "growth.svg"))
    return drawn


def draw_soak(samples: Sequence[Sample], caption: str, path: Path) -> None:
    """Memory, latency and lag over time, as an SVG."""
    mpl.use("svg")
    figure, axes = pyplot.subplots(3, 1, figsize=(9, 6.5), sharex=True)
    minutes = [each.seconds / 60 for each in samples]
    axes[0].plot(minutes, [each.memory for each in samples], color=OUR_COLOUR)
    axes[0].set_title("resident memory, MB", fontsize=10, loc="left")
    axes[1].plot(minutes, [each.p99 for each in samples], color=OTHER_COLOUR, label="p99")
    axes[1].plot(minutes, [each.p50 for each in samples], color=OUR_COLOUR, label="p50")
    axes[1].set_title("latency, ms", fontsize=10, loc="left")
    axes[1].legend(fontsize=8, frameon=False)
    axes[2].plot(minutes, [each.lag for each in samples], color=OUR_COLOUR)
    axes[2].set_title("lag, messages", fontsize=10, loc="left")
    axes[2].set_xlabel("minutes", fontsize=8)
    for each in axes:
        _from_zero(each)
        _tidy(each)
    # The first seconds, of a cold broker, are a hundred times what comes after.
    axes[1].set_yscale("log")
    axes[1].set_ylim(1)
    axes[1].yaxis.set_major_formatter(_plain)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    _save(figure, caption, path)


def _save(figure: Figure, caption: str, path: Path) -> Path:
    caption = "\n".join(textwrap.wrap(caption, 120))
    figure.text(0.01, 0.005, caption, fontsize=7, color="#57606a", va="bottom")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def _throughput(results: Results) -> Figure:
    figure, (speeds, costs) = pyplot.subplots(1, 2, figsize=(11, 4.6), sharey=True)
    labels = list(reversed(results.throughput))
    colours = [_colour(label) for label in labels]
    for axes, name, title in (
        (speeds, "warm", "messages/s, warm, one process"),
        (costs, "cpu", "CPU of the contestant, µs a message"),
    ):
        figures = [median_of(results.throughput[label], name) for label in labels]
        bars = axes.barh(labels, figures, color=colours)
        shown = [f"{each:,.0f}" if name == "warm" else f"{each:.1f}" for each in figures]
        axes.bar_label(bars, shown, padding=3, fontsize=8)
        _label_outliers(axes, figures, shown)
        axes.set_title(title, fontsize=10, loc="left")
        axes.xaxis.set_major_formatter(_thousands if name == "warm" else _plain)
        axes.set_xlim(right=1.25 * _most_but_outliers(figures))
        _tidy(axes)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    return figure


def _latency(results: Results) -> Figure:
    rates = [latency.rate for latency in next(iter(results.steady.values()))[0].latencies]
    figure, all_axes = pyplot.subplots(
        1, len(PERCENTILES), figsize=(11, 4.6), sharey=True, squeeze=False
    )
    for axes, (name, shown) in zip(all_axes[0], PERCENTILES, strict=True):
        for label, runs in results.steady.items():
            figures = [median_latency(runs, rate, name) for rate in rates]
            style = "-" if "exactly" in label else "--"
            axes.plot(range(len(rates)), figures, style, marker="o", label=label)
        axes.set_xticks(range(len(rates)), [f"{rate:,}" for rate in rates])
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_plain)
        axes.set_xlabel("messages/s", fontsize=8)
        axes.set_title(f"latency {shown}, ms", fontsize=10, loc="left")
        _tidy(axes)
    all_axes[0][0].legend(fontsize=7, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    return figure


def _growth(results: Results) -> Figure:
    all_kinds: list[tuple[str, Growth]] = [
        ("members", results.members),
        ("partitions", results.partitions),
        ("event size, bytes", results.sizes),
        ("backlog", results.backlogs),
    ]
    kinds = [(title, growth) for title, growth in all_kinds if growth]
    figure, all_axes = pyplot.subplots(2, len(kinds), figsize=(13, 6), squeeze=False)
    for column, (title, growth) in enumerate(kinds):
        for row, (name, unit) in enumerate((("warm", "messages/s"), ("cpu", "CPU µs"))):
            axes = all_axes[row][column]
            for label, by_size in growth.items():
                sizes = sorted(by_size)
                figures = [median_of(by_size[size], name) for size in sizes]
                axes.plot(range(len(sizes)), figures, marker="o", label=label, color=_colour(label))
                axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes], fontsize=8)
            _from_zero(axes)
            axes.yaxis.set_major_formatter(_thousands if name == "warm" else _plain)
            axes.set_title(f"{unit} by {title}", fontsize=9, loc="left")
            _tidy(axes)
    all_axes[0][0].legend(fontsize=7, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    return figure


def _most_but_outliers(figures: Sequence[float]) -> float:
    """The largest that is not many times all others: next to that they could not be told apart."""
    *others, most = sorted(figures)
    return others[-1] if others and most > OUTLIER * others[-1] else most


def _label_outliers(axes: Axes, figures: Sequence[float], shown: Sequence[str]) -> None:
    """Their bars end at the edge, and with them the place for their label."""
    most = _most_but_outliers(figures)
    for position, (figure, text) in enumerate(zip(figures, shown, strict=True)):
        if figure > most:
            place = (1.2 * most, position)
            axes.text(*place, f"{text} →", ha="right", va="center", fontsize=8, color="white")


def _from_zero(axes: Axes) -> None:
    """With room above the highest point."""
    axes.set_ylim(0, axes.dataLim.y1 * 1.1 or 1)


def _colour(label: str) -> str:
    return OUR_COLOUR if label.startswith(OURS) else OTHER_COLOUR


@FuncFormatter
def _thousands(figure: float, _position: int) -> str:
    return f"{figure / 1000:,.0f}k"


@FuncFormatter
def _plain(figure: float, _position: int) -> str:
    return f"{figure:,g}"


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
