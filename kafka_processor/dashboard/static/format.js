// Numbers, durations and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const brief = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const seconds = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

const MOST_DIGITS = 1e7;

export const count = (number) =>
  number < MOST_DIGITS ? whole.format(number) : short.format(number);
/** The same for a place where seven digits have no room. */
export const figure = (number) => (number < 1e6 ? whole : short).format(number);
export const full = (number) => whole.format(number);
export const onAxis = (number) => brief.format(number);

export function rate(number) {
  return number > 0 && number < 10 ? number.toFixed(1) : figure(number);
}

export function percent(part, all) {
  if (!all) return "0";
  const share = (100 * part) / all;
  if (share > 0 && share < 0.05) return "<0.1";
  return share >= 99.95 ? "100" : share.toFixed(1);
}

/** A figure and its unit, of milliseconds. */
export function latency(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return ["–", "ms"];
  if (milliseconds === 0) return ["0", "ms"];
  if (milliseconds < 10) return [milliseconds.toFixed(1), "ms"];
  if (milliseconds < 1000) return [milliseconds.toFixed(0), "ms"];
  if (milliseconds < 60_000) return [(milliseconds / 1000).toFixed(1), "s"];
  if (milliseconds < 7_200_000) return [(milliseconds / 60_000).toFixed(0), "min"];
  return [(milliseconds / 3_600_000).toFixed(0), "h"];
}

/** How long something is ago, of milliseconds. */
export function age(milliseconds) {
  const past = Math.max(milliseconds, 0) / 1000;
  if (past < 120) return [past.toFixed(0), "s ago"];
  if (past < 7200) return [(past / 60).toFixed(0), "min ago"];
  if (past < 172_800) return [(past / 3600).toFixed(0), "h ago"];
  return [(past / 86_400).toFixed(0), "days ago"];
}

export const timeOfDay = (milliseconds) => seconds.format(new Date(milliseconds));
export const hourAndMinute = (milliseconds) => minutes.format(new Date(milliseconds));
