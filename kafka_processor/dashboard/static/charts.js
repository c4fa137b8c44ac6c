// Lines and areas over time, drawn by uPlot; each has its figures as a table too.

import { make, makeTable, setText } from "./dom.js";
import { hourAndMinute, timeOfDay } from "./format.js";

const HEIGHT = 230;
const SHORTEST = 60;
const ROWS = 12;
const END = 24;
const FONT = "12px Inter, system-ui, sans-serif";

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class TimeChart {
  /**
   * `lines`: name, colour (a CSS variable) and dash of each; `isStacked`: on top of each other, and
   * filled. `format` makes text of a value, `onAxis` the same in short.
   */
  constructor({ chart, legend, table, caption, lines, isStacked, format, onAxis, least }) {
    this.place = chart;
    this.lines = lines;
    this.isStacked = isStacked;
    this.format = format;
    this.caption = caption;
    this.from = 0;
    this.to = 1;
    this.values = lines.map(() => []);
    this.times = [];
    this.step = 1;
    this.details = table.closest("details");
    this.figures = makeTable(caption, [
      { title: "Time" },
      ...lines.map((line) => ({ title: line.name, className: "number" })),
    ]);
    table.append(this.figures.table);
    this.details.addEventListener("toggle", () => this.fillTable());
    this.keys = lines.map((line) => makeKey(legend, line));
    this.plot = new uPlot(this.options(onAxis, least), this.data(), chart);
    new ResizeObserver(() => this.resize()).observe(chart);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.plot.redraw(false));
    document.fonts.ready.then(() => this.plot.redraw(false));
  }

  options(onAxis, least) {
    const axis = {
      stroke: () => colour("--muted"),
      font: FONT,
      ticks: { show: false },
      grid: { stroke: () => colour("--line"), width: 1 },
    };
    return {
      width: Math.max(this.place.clientWidth, 100),
      height: HEIGHT,
      padding: [12, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { range: () => [this.from, this.to] },
        y: { range: (_plot, _low, high) => [0, Math.max((high ?? 0) * 1.12, least)] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: 80, size: 30, values: (plot, at) => this.ticks(plot, at) },
        { ...axis, size: 52, gap: 6, space: 44, values: (_plot, at) => at.map(onAxis) },
      ],
      series: [
        {},
        ...this.lines.map((line) => ({
          label: line.name,
          stroke: () => colour(line.colour),
          fill: this.isStacked ? () => colour(`${line.colour}-fill`) : undefined,
          width: this.isStacked ? 1.5 : 2,
          dash: line.dash,
          points: { show: false, size: 4, ...(this.isStacked ? {} : { filter: alone }) },
        })),
      ],
      bands: this.isStacked
        ? this.lines.slice(1).map((_line, index) => ({ series: [index + 2, index + 1] }))
        : [],
      hooks: { setCursor: [(plot) => this.fillLegend(plot.cursor.idx)] },
    };
  }

  ticks(plot, seconds) {
    const isFine = seconds.length > 1 && seconds[1] - seconds[0] < 60;
    const format = isFine ? timeOfDay : hourAndMinute;
    // One at an end would be cut off there, or stand below those of the other axis.
    const width = plot.bbox.width / devicePixelRatio;
    return seconds.map((second) => {
      const at = plot.valToPos(second, "x");
      return at < END || at > width - END ? "" : format(second * 1000);
    });
  }

  /** `values`: for each line, at `start`, `start + step`, … in seconds. */
  show(start, step, values) {
    const points = values[0].length;
    const isShort = points * step < SHORTEST;
    this.to = start + points * step;
    this.from = isShort ? this.to - SHORTEST : start;
    this.step = step;
    this.times = values[0].map((_value, index) => start + index * step + step / 2);
    this.values = values;
    this.plot.setData(this.data());
    this.fillLegend(this.plot.cursor.idx);
    this.fillTable();
    this.describe();
  }

  data() {
    if (!this.isStacked) return [this.times, ...this.values];
    const below = this.times.map(() => 0);
    return [this.times, ...this.values.map((line) => line.map((value, at) => (below[at] += value)))];
  }

  /** What the pointer is at, else the latest. */
  fillLegend(pointed) {
    const at = pointed ?? this.times.length - 1;
    this.keys.forEach((key, line) => {
      const value = this.values[line]?.[at];
      setText(key, value === undefined || value === null ? "–" : this.format(value));
    });
  }

  fillTable() {
    if (!this.details.open) return;
    const rows = this.times.slice(-ROWS).map((time, index, shown) => {
      const at = this.times.length - shown.length + index;
      const cells = this.values.map((line) => (line[at] === null ? "–" : this.format(line[at])));
      return [timeOfDay((time - this.step / 2) * 1000), ...cells];
    });
    this.figures.fill(rows.reverse());
  }

  describe() {
    const parts = this.lines.map((line, index) => {
      const known = this.values[index].filter((value) => value !== null);
      if (!known.length) return `${line.name}: none`;
      const most = known.reduce((one, other) => Math.max(one, other));
      return `${line.name}: ${this.format(known.at(-1))} now, ${this.format(most)} at most`;
    });
    this.place.setAttribute("aria-label", `${this.caption}. ${parts.join("; ")}.`);
  }

  resize() {
    const width = this.place.clientWidth;
    if (width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }
}

/** Where a line would have no length: values between two that are not known. */
function alone(plot, series) {
  const values = plot.data[series];
  const found = values.flatMap((value, at) => (
    value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null
      ? [at] : []));
  return found.length ? found : null;
}

function makeKey(legend, line) {
  const item = make("li");
  const swatch = make("i", line.dash ? "swatch dashed" : "swatch");
  swatch.setAttribute("aria-hidden", "true");
  swatch.style.setProperty("--colour", `var(${line.colour})`);
  const value = make("b", "", "–");
  item.append(swatch, make("span", "", line.name), value);
  legend.append(item);
  return value;
}
