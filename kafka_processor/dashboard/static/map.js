// Where locales are: two maps, of which one is shown. The table beside it has the same figures.

import { byId, make, say, setText } from "./dom.js";
import { count, full } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const LEVELS = 5;
const NAMES = { states: "United States", countries: "World" };
const NAMED = 5;

const regions = new Intl.DisplayNames(["en"], { type: "region" });
const STATES = Object.fromEntries(
  ("AL Alabama,AK Alaska,AZ Arizona,AR Arkansas,CA California,CO Colorado,CT Connecticut," +
    "DE Delaware,DC District of Columbia,FL Florida,GA Georgia,HI Hawaii,ID Idaho,IL Illinois," +
    "IN Indiana,IA Iowa,KS Kansas,KY Kentucky,LA Louisiana,ME Maine,MD Maryland," +
    "MA Massachusetts,MI Michigan,MN Minnesota,MS Mississippi,MO Missouri,MT Montana," +
    "NE Nebraska,NV Nevada,NH New Hampshire,NJ New Jersey,NM New Mexico,NY New York," +
    "NC North Carolina,ND North Dakota,OH Ohio,OK Oklahoma,OR Oregon,PA Pennsylvania," +
    "RI Rhode Island,SC South Carolina,SD South Dakota,TN Tennessee,TX Texas,UT Utah,VT Vermont," +
    "VA Virginia,WA Washington,WV West Virginia,WI Wisconsin,WY Wyoming")
    .split(",")
    .map((text) => [text.slice(0, 2), text.slice(3)]));

const total = (counts) => Object.values(counts).reduce((sum, number) => sum + number, 0);
const nameOf = (kind, code) => (kind === "states" ? STATES[code] : regions.of(code)) ?? code;

export class Maps {
  constructor() {
    this.drawn = {};
    this.choice = null;
    this.places = null;
    for (const input of document.querySelectorAll("input[name=map]")) {
      input.addEventListener("change", () => {
        this.choice = input.value;
        this.draw();
      });
    }
  }

  async load() {
    for (const kind of Object.keys(NAMES)) {
      const answer = await fetch(`static/vendor/maps/${kind}.json`);
      this.drawn[kind] = makeMap(await answer.json());
    }
    this.draw();
  }

  show(places) {
    this.places = places;
    this.draw();
  }

  /** What was chosen, else where most are. */
  get kind() {
    if (this.choice) return this.choice;
    const { states, countries } = this.places;
    const inside = total(states);
    return total(countries) - inside > inside ? "countries" : "states";
  }

  draw() {
    const { places, kind } = this.places ? this : { places: null, kind: "states" };
    const map = this.drawn[kind];
    document.querySelector(`input[name=map][value=${kind}]`).checked = true;
    if (!map) return;
    const place = byId("map");
    if (place.firstChild !== map.svg) place.replaceChildren(map.svg);
    const counts = places?.[kind] ?? {};
    const most = Math.max(0, ...Object.values(counts));
    for (const [code, { path, title }] of map.shapes) {
      const number = counts[code] ?? 0;
      path.dataset.level = number ? Math.ceil(LEVELS * Math.sqrt(number / most)) : 0;
      setText(title, `${nameOf(kind, code)}: ${full(number)}`);
    }
    say("map-most", most ? count(most) : "–");
    map.svg.setAttribute("aria-label", describe(kind, counts));
    say("map-note", places ? note(places, kind, map) : "");
  }
}

function describe(kind, counts) {
  const first = Object.entries(counts).sort((one, other) => other[1] - one[1]).slice(0, NAMED);
  const what = kind === "states" ? "Map of the United States" : "Map of the world";
  const parts = first.map(([code, number]) => `${nameOf(kind, code)} ${full(number)}`);
  return `${what}, processed messages. ${parts.length ? `Most: ${parts.join(", ")}` : "None yet"}.`;
}

/** What the map cannot show. */
function note({ states, countries, nowhere, both, both_are }, kind, map) {
  const notes = [];
  if (both.length) {
    const [taken, other] = both_are === "states" ? ["states", "countries"] : ["countries", "states"];
    const few = both.slice(0, NAMED).join(", ") + (both.length > NAMED ? ", …" : "");
    notes.push(`${few} could be ${other} too; taken for ${taken}, as most others are.`);
  }
  const undrawn = Object.entries(countries).filter(([code]) => !map.shapes.has(code));
  const outside = kind === "states"
    ? total(countries) - total(states)
    : total(Object.fromEntries(undrawn));
  const elsewhere = outside + nowhere;
  if (elsewhere) notes.push(`${count(elsewhere)} are not on this map.`);
  return notes.join(" ");
}

function makeMap({ width, height, shapes }) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  const made = new Map();
  for (const [code, outline] of Object.entries(shapes)) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", outline);
    path.dataset.level = 0;
    svg.append(path);
    if (!code) continue;
    const title = document.createElementNS(SVG, "title");
    path.append(title);
    made.set(code, { path, title });
  }
  return { svg, shapes: made };
}
