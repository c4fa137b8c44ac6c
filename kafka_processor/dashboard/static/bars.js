// Counts by label as a table with bars: read as a table, seen as a chart.

import { fillList, make, setText } from "./dom.js";
import { count, full, percent } from "./format.js";

export class Bars {
  /** `second`: the title of another column of counts, without bars. */
  constructor(place, caption, { second = null, most = Infinity, none = "Nothing yet." } = {}) {
    this.most = most;
    this.second = second;
    this.table = make("table", second ? "bars with-second" : "bars");
    this.table.append(make("caption", "visually-hidden", caption));
    const head = this.table.createTHead().insertRow();
    // Without a second column they say what is seen anyway.
    for (const title of ["Name", second ? "Total" : "Messages", second ?? "Share"]) {
      const cell = make("th", second ? "" : "unseen");
      cell.scope = "col";
      cell.append(make("span", second && title !== "Name" ? "" : "visually-hidden", title));
      head.append(cell);
    }
    this.body = this.table.createTBody();
    this.none = make("p", "none", none);
    place.replaceChildren(this.table, this.none);
    this.fill([]);
  }

  nameSecond(title) {
    setText(this.table.tHead.rows[0].lastElementChild.firstChild, title);
  }

  /** `items`: label, count, perhaps a title to explain the label, and a kind for the colour or the
   * count of the second column. */
  fill(items) {
    const shown = items.slice(0, this.most);
    const longest = Math.max(1, ...shown.map((item) => item.count));
    const all = items.reduce((sum, item) => sum + item.count, 0);
    this.table.hidden = shown.length === 0;
    this.none.hidden = shown.length > 0;
    fillList(this.body, shown, createRow, (row, item) => {
      const [head, number, last] = row.children;
      const [label, bar] = head.firstChild.children;
      setText(label, item.label);
      label.title = item.title || item.label;
      bar.dataset.kind = item.kind ?? "plain";
      bar.style.setProperty("--share", item.count / longest);
      setText(number, count(item.count));
      number.title = full(item.count);
      setText(last, this.second ? count(item.second) : `${percent(item.count, all)}%`);
    });
  }
}

function createRow() {
  const row = make("tr");
  const head = make("th");
  head.scope = "row";
  const inner = make("div", "labelled");
  const bar = make("i", "bar");
  bar.setAttribute("aria-hidden", "true");
  inner.append(make("span"), bar);
  head.append(inner);
  row.append(head, make("td"), make("td"));
  return row;
}
