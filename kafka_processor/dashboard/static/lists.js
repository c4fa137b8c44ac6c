// The latest errors, the partitions, and the processes of the group.

import { byId, fillList, make, makeTable, say, setText } from "./dom.js";
import { count, timeOfDay } from "./format.js";

const MADE_UP = /^(.+-)?([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Names that a client made up are long, and their beginning tells them apart. */
const shortName = (name) => {
  const parts = MADE_UP.exec(name);
  return parts ? `${parts[1] ?? ""}${parts[2]}…` : name;
};

const minutes = (seconds) => `${seconds / 60} min`;

export function showLatestErrors(errors, window) {
  byId("latest-none").hidden = errors.length > 0;
  const scroll = byId("latest-scroll");
  // It would run away from whoever reads it.
  const isPointedAt = matchMedia("(hover: hover)").matches && scroll.matches(":hover");
  const isRead = (isPointedAt || scroll.matches(":focus-visible")) && byId("latest").children.length;
  say("latest-note", isRead ? "held while you read" : `of the last ${minutes(window)}`);
  if (isRead) return;
  fillList(byId("latest"), errors, createError, (item, error) => {
    const [head, message, id] = item.children;
    setText(head.children[0], error.error_type);
    setText(head.children[1], timeOfDay(error.time));
    head.children[1].dateTime = new Date(error.time).toISOString();
    setText(message, error.error_message);
    setText(id, error.message_id);
  });
}

function createError() {
  const item = make("li");
  const head = make("p", "head");
  head.append(make("b", "type"), make("time"));
  item.append(head, make("p", "message"), make("p", "id"));
  return item;
}

const partitions = makeTable("Partitions of the input topic", [
  { title: "Partition" },
  { title: "Process", className: "process" },
  { title: "Lag", className: "number" },
  { title: "Received", className: "number" },
  { title: "Errors", className: "number" },
  { title: "Committed", className: "number rest" },
  { title: "End", className: "number rest" },
]);

export function placePartitions() {
  byId("partitions").append(partitions.table);
}

export function showGroup({ partitions: rows, more_partitions, members, more_members, group_state }) {
  partitions.fill(rows.map((row) => [
    String(row.partition),
    row.member === null ? "none" : shortName(row.member),
    count(row.lag),
    count(row.received),
    count(row.failed),
    row.committed === null ? "–" : count(row.committed),
    count(row.end),
  ]));
  const number = members.length + more_members;
  const parts = [`${count(rows.length + more_partitions)} partitions`,
    `${count(number)} ${number === 1 ? "process" : "processes"}`];
  if (group_state) parts.push(group_state);
  if (more_partitions) parts.push(`the ${rows.length} with most lag are shown`);
  say("group-note", parts.join(" · "));
  const items = members.map((member) => ({
    name: shortName(member.name),
    text: member.partitions.length
      ? `partitions ${member.partitions.join(", ")}` +
        (member.more_partitions ? ` and ${member.more_partitions} more` : "")
      : "no partition, ready to take over",
    lag: `lag ${count(member.lag)}`,
  }));
  if (!items.length) items.push({ name: "None", text: "no process is a member", lag: "" });
  if (more_members) items.push({ name: `and ${count(more_members)} more`, text: "", lag: "" });
  fillList(byId("members"), items, createMember, (item, { name, text, lag }) => {
    setText(item.children[0], name);
    setText(item.children[1], text);
    setText(item.children[2], lag);
  });
}

function createMember() {
  const item = make("li");
  item.append(make("b"), make("span"), make("span", "number"));
  return item;
}
