"""Maps as outlines in whole units, from TopoJSON: pure, for `dev/dashboard_assets.py`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import radians
from typing import Any, Final

Point = tuple[float, float]
Ring = list[Point]

WIDTH: Final = 2000
"""Units of a map from left to right: half a pixel on most screens."""


def outlines(
    topology: Mapping[str, Any], name: str, rings_of: Callable[[Ring], Iterable[Ring]]
) -> Iterator[tuple[Mapping[str, Any], list[Ring]]]:
    """Each geometry of an object with its rings, as `rings_of` makes them out of one."""
    arcs = [_decoded(arc, topology["transform"]) for arc in topology["arcs"]]
    for geometry in topology["objects"][name]["geometries"]:
        polygons = geometry.get("arcs", [])  # an area without any has no outline
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        rings = [_ring(numbers, arcs) for polygon in polygons for numbers in polygon]
        yield geometry, [made for ring in rings for made in rings_of(ring)]


def _decoded(arc: Sequence[Sequence[int]], transform: Mapping[str, Sequence[float]]) -> Ring:
    (scale_x, scale_y), (move_x, move_y) = transform["scale"], transform["translate"]
    x = y = 0
    points = []
    for step_x, step_y in arc:
        x, y = x + step_x, y + step_y
        points.append((x * scale_x + move_x, y * scale_y + move_y))
    return points


def _ring(numbers: Iterable[int], arcs: Sequence[Ring]) -> Ring:
    """A negative number is an arc the other way round."""
    ring: Ring = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring += arc[1:] if ring else arc
    return ring


def cut_at_date_line(ring: Ring) -> Iterator[Ring]:
    """A ring in degrees, which may cross the date line, in parts that do not."""
    unwound = ring[:1]
    for longitude, latitude in ring[1:]:
        before = unwound[-1][0]
        turns = round((before - longitude) / 360)
        unwound.append((longitude + 360 * turns, latitude))
    for turn in (-360, 0, 360):
        part = [(longitude + turn, latitude) for longitude, latitude in unwound]
        part = _clipped(_clipped(part, 180, 1), -180, -1)
        if part:
            yield part


def _clipped(ring: Ring, limit: float, sign: int) -> Ring:
    """What is on this side of a meridian (Sutherland and Hodgman)."""
    kept: Ring = []
    for (x, y), (next_x, next_y) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
        is_in, is_next_in = sign * x <= sign * limit, sign * next_x <= sign * limit
        if is_in:
            kept.append((x, y))
        if is_in != is_next_in:
            share = (limit - x) / (next_x - x)
            kept.append((limit, y + share * (next_y - y)))
    return kept


def natural_earth(point: Point) -> Point:
    """The Natural Earth projection (its polynomial form); degrees in."""
    x, y = radians(point[0]), radians(point[1])
    y2 = y * y
    y4 = y2 * y2
    return (
        x * (0.8707 - 0.131979 * y2 + y4 * (-0.013791 + y4 * (0.003971 * y2 - 0.001529 * y4))),
        -y * (1.007226 + y2 * (0.015085 + y4 * (-0.044475 + 0.028874 * y2 - 0.005916 * y4))),
    )


def picture(shapes: Mapping[str, list[Ring]]) -> dict[str, Any]:
    """The map as `{width, height, shapes: {code: SVG path}}`; y goes down."""
    points = [point for rings in shapes.values() for ring in rings for point in ring]
    left, top = min(x for x, _ in points), min(y for _, y in points)
    right, bottom = max(x for x, _ in points), max(y for _, y in points)
    scale = WIDTH / (right - left)
    paths = {
        code: "".join(_path([((x - left) * scale, (y - top) * scale) for x, y in ring])
                      for ring in rings)
        for code, rings in sorted(shapes.items())
    }  # fmt: skip
    return {"width": WIDTH, "height": round((bottom - top) * scale), "shapes": paths}


def _path(ring: Ring) -> str:
    """Whole numbers, each step from the point before; nothing of what is smaller than a unit."""
    whole = [(round(x), round(y)) for x, y in ring]
    points = [whole[0]]
    for point in whole[1:]:
        if point != points[-1]:
            points.append(point)
    if points[-1] == points[0]:
        points.pop()
    if len(points) < 3:
        return ""
    (x, y), *others = points
    path = f"M{x} {y}l"
    for next_x, next_y in others:
        step = f"{next_x - x} {next_y - y}".replace(" -", "-")
        path += step if path[-1] == "l" or step[0] == "-" else f" {step}"
        x, y = next_x, next_y
    return f"{path}z"
