// Takes a snapshot a second and puts it into the page.

import { Bars } from "./bars.js";
import { TimeChart } from "./charts.js";
import { byId, fillList, make, say, setText } from "./dom.js";
import * as format from "./format.js";
import { placePartitions, showGroup, showLatestErrors } from "./lists.js";
import { Maps } from "./map.js";

const SILENCE = 5000;
const COME_BACK = 2000;
const MOST_REASONS = 3;
const MOST_LOCALES = 15;
const KINDS = ["processed", "filtered", "skipped"];

// The token is kept in a cookie from now on; here it would be seen, and get into bookmarks.
if (location.search) history.replaceState(null, "", location.pathname);

const rates = new TimeChart({
  chart: byId("rate-chart"), legend: byId("rate-legend"), table: byId("rate-table"),
  caption: "Messages a second by outcome", isStacked: true, least: 4,
  format: format.rate, onAxis: format.onAxis,
  lines: [
    { name: "processed", colour: "--processed" },
    { name: "filtered", colour: "--filtered" },
    { name: "skipped", colour: "--skipped" },
    { name: "errors", colour: "--error" },
  ],
});
const withUnit = (value) => format.latency(value).join(" ");
const latencies = new TimeChart({
  chart: byId("latency-chart"), legend: byId("latency-legend"), table: byId("latency-table"),
  caption: "Latency of messages that were not skipped", isStacked: false, least: 8,
  format: withUnit, onAxis: withUnit,
  lines: [
    { name: "p99", colour: "--p99" },
    { name: "p50", colour: "--processed", dash: [6, 4] },
  ],
});
const outcomes = new Bars(byId("outcomes"), "Messages by outcome");
const devices = new Bars(byId("devices"), "Processed messages by device type", { most: 8 });
const locales = new Bars(byId("locales"), "Most frequent locales", { most: MOST_LOCALES });
const allLocales = new Bars(byId("locales-all"), "Processed messages by locale");
const errorTypes = new Bars(byId("error-types"), "Failed messages by type", { second: "Lately" });
const maps = new Maps();
placePartitions();

let latest = null;
let cameAt = 0;
let isPaused = false;
let connection = "connecting";
let events = null;
let shown = null;

function show(snapshot) {
  shown = snapshot;
  say("group", snapshot.group);
  say("input-topic", snapshot.input_topic);
  say("clock", format.timeOfDay(snapshot.now));
  byId("clock").dateTime = new Date(snapshot.now).toISOString();
  showHealth(snapshot.health);
  showFigures(snapshot);
  showNotices(snapshot);
  const { series } = snapshot;
  rates.show(series.start, series.step,
    [series.processed, series.filtered, series.skipped, series.error]);
  latencies.show(series.start, series.step, [series.p99, series.p50]);
  showTotals(snapshot);
  showLatestErrors(snapshot.latest_errors, snapshot.window);
  showGroup(snapshot);
  say("topics", snapshot.topics.map((topic) => topic.name).join(", "));
  document.body.dataset.shown = "true";
}

function showHealth({ level, word, reasons }) {
  byId("health").dataset.level = level;
  byId("sign").setAttribute("href", `#sign-${level}`);
  say("word", word);
  // Said aloud only where it matters: with few messages it is idle and healthy in turns.
  say("told", level === "well" || level === "idle" ? "" : `${word}. ${reasons[0]}`);
  fillList(byId("reasons"), reasons.slice(0, MOST_REASONS), () => make("li"), setText);
  const title = `${word} · kafka_processor`;
  if (document.title !== title) document.title = title;
}

function showFigures({ figures, now }) {
  say("rate", format.rate(figures.rate));
  say("rate-note", `${format.count(figures.messages)} in 60 s`);
  say("lag", figures.lag === null ? "–" : format.figure(figures.lag));
  say("errors", figures.messages ? format.percent(figures.failed, figures.messages) : "–");
  say("errors-note", `${format.count(figures.failed)} in 60 s`);
  const inMilliseconds = (value) => (value === null ? null : value * 1000);
  const [p99, unit] = format.latency(inMilliseconds(figures.p99));
  say("p99", p99);
  say("p99-unit", unit);
  say("p50-note", figures.p50 === null
    ? "in the last 60 s" : `half within ${withUnit(inMilliseconds(figures.p50))}`);
  const last = figures.last_outcome;
  const [past, pastUnit] = last === null ? ["–", ""] : format.age(now - last);
  say("last", past);
  say("last-unit", pastUnit);
  say("last-note", last === null ? "none seen" : `handled at ${format.timeOfDay(last)}`);
}

function showNotices({ topics, has_metrics }) {
  const notices = topics.flatMap((topic) => [
    ...(topic.behind ? [`${topic.name}: this page is ${topic.behind} s behind.`] : []),
    ...(topic.unreadable
      ? [`${topic.name}: ${format.count(topic.unreadable)} records are not as documented.`] : []),
  ]);
  if (!has_metrics) {
    notices.push("METRICS_TOPIC is off: rates come from the summary only, in steps of up to 5 s; " +
      "latencies are not known.");
  }
  byId("notices").hidden = notices.length === 0;
  fillList(byId("notices"), notices, () => make("li"), setText);
}

function showTotals(snapshot) {
  say("received", format.full(snapshot.received));
  say("replayed", snapshot.replayed ? `, ${format.full(snapshot.replayed)} of them replayed` : "");
  const counts = snapshot.outcomes;
  const errors = Object.entries(counts)
    .reduce((sum, [name, number]) => sum + (KINDS.includes(name) ? 0 : number), 0);
  const rows = KINDS.map((kind) => ({ label: kind, count: counts[kind] ?? 0, kind }));
  outcomes.fill(snapshot.received ? [...rows, { label: "errors", count: errors, kind: "error" }] : []);
  const asItems = (pairs) => pairs.map(([label, number]) => ({ label, count: number }));
  devices.fill(asItems(snapshot.device_types));
  locales.fill(asItems(snapshot.locales));
  say("all-locales-title", `All ${snapshot.locales.length} locales`);
  byId("all-locales").hidden = snapshot.locales.length <= MOST_LOCALES;
  if (byId("all-locales").open) allLocales.fill(asItems(snapshot.locales));
  errorTypes.nameSecond(`Last ${snapshot.window / 60} min`);
  errorTypes.fill(snapshot.error_types.map(({ name, label, total, recent }) =>
    ({ label: name, title: label, count: total, second: recent, kind: "error" })));
  maps.show(snapshot.places);
}

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reading: "Catching up",
  away: "Waiting for Kafka",
  lost: "Connection lost, trying again",
  refused: "Not let in: open the address that was printed at the start",
  paused: "Paused",
};

function showConnection() {
  let state = connection;
  if (state === "live" && performance.now() - cameAt > SILENCE) state = "lost";
  if (state === "live" && latest?.topics.some((topic) => topic.is_catching_up && (topic.behind || !topic.was_read))) {
    state = "reading";
  }
  if (state === "live" && latest?.trouble) state = "away";
  if (isPaused) state = "paused";
  byId("connection").dataset.state = state;
  byId("tiles").toggleAttribute("data-stale", ["away", "lost", "refused"].includes(state));
  say("connection", WORDS[state]);
}

function connect() {
  events?.close();
  events = new EventSource("events");
  events.onmessage = (event) => {
    latest = JSON.parse(event.data);
    cameAt = performance.now();
    connection = "live";
    if (!isPaused) show(latest);
    showConnection();
  };
  const mine = events;
  events.onerror = async () => {
    connection = "lost";
    showConnection();
    if (mine !== events || mine.readyState !== EventSource.CLOSED) return;
    const answer = await fetch("./", { method: "HEAD" }).catch(() => null);
    if (answer?.status === 401) connection = "refused";
    showConnection();
    setTimeout(connect, COME_BACK);
  };
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  say("pause", isPaused ? "Go on" : "Pause");
  if (!isPaused && latest) show(latest);
  showConnection();
});
byId("all-locales").addEventListener("toggle", () => {
  if (shown) showTotals(shown);
});
setInterval(() => {
  showConnection();
  // A connection whose other end is gone without a word stays open for ever.
  if (connection === "live" && performance.now() - cameAt > 2 * SILENCE) {
    connection = "lost";
    connect();
  }
}, 1000);
maps.load();
connect();
