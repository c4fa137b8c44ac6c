// All text gets into the page here, as text: never as markup.

export const byId = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const say = (id, text) => setText(byId(id), text);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A list whose elements stay where they are, so that nothing flickers and a focus is kept. */
export function fillList(list, items, create, update) {
  while (list.children.length > items.length) list.lastElementChild.remove();
  while (list.children.length < items.length) list.append(create());
  items.forEach((item, index) => update(list.children[index], item));
}

/** A table of texts under a caption; `columns` have a `title`, and `text` if it is no number. */
export function makeTable(caption, columns) {
  const table = make("table");
  table.append(make("caption", "visually-hidden", caption));
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    const cell = make("th", column.className ?? "", column.title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  const createRow = () => {
    const row = make("tr");
    columns.forEach((column, index) => {
      const cell = make(index ? "td" : "th", column.className ?? "");
      if (!index) cell.scope = "row";
      row.append(cell);
    });
    return row;
  };
  const fill = (rows) =>
    fillList(body, rows, createRow, (row, texts) =>
      texts.forEach((text, index) => setText(row.children[index], text)));
  return { table, fill };
}
