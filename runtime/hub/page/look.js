// SPDX-License-Identifier: MIT
// How things look as text: faces, times, sizes, links. Pure, but for the elements it returns.
import { el } from "./dom.js";

export function hue(id) {
  let h = 2166136261;
  for (const c of String(id)) h = Math.imul(h ^ c.codePointAt(0), 16777619);
  return ((h >>> 0) % 24) * 15;
}

export function initials(name) {
  const words = String(name).match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  const first = [...words[0]];
  const second = words.length > 1 ? [...words[1]][0] : "";
  return (first[0] + second).toUpperCase();
}

export function face(user) {
  const node = el("span", { class: "face", "aria-hidden": "true" }, initials(user.name));
  node.style.setProperty("--hue", hue(user.id));
  return node;
}

export function setFace(node, user) {
  const text = initials(user.name);
  if (node.firstChild?.nodeType === Node.TEXT_NODE) {
    if (node.firstChild.data !== text) node.firstChild.data = text;
  } else {
    node.prepend(text);
  }
  node.style.setProperty("--hue", hue(user.id));
}

export const statusWords = { online: "online", away: "away", busy: "busy", offline: "offline" };

const hours = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const long = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const dayNear = new Intl.DateTimeFormat(undefined, {
  weekday: "long", day: "numeric", month: "long",
});
const dayFar = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const exact = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false,
});
const date = (seconds) => new Date(Number.isFinite(seconds) ? seconds * 1000 : Date.now());

export const clock = (seconds) => hours.format(date(seconds));
export const fullTime = (seconds) => long.format(date(seconds));
export const exactTime = (ms) => exact.format(date(ms / 1000));
export const dayKey = (seconds) => date(seconds).toDateString();

export function dayName(seconds) {
  const then = date(seconds);
  const today = new Date();
  if (then.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  if (then.toDateString() === today.toDateString()) return "Yesterday";
  const near = Math.abs(Date.now() - then) < 300 * 86400e3;
  return (near ? dayNear : dayFar).format(then);
}

export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999500) return `${(bytes / 1000).toFixed(bytes < 9950 ? 1 : 0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function people(names, verb) {
  const [is, are] = verb;
  if (names.length === 1) return `${names[0]} ${is}`;
  if (names.length === 2) return `${names[0]} and ${names[1]} ${are}`;
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]} ${are}`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} others ${are}`;
}

// Text as nodes: web addresses become links, everything else stays text.
export function rich(text) {
  const nodes = [];
  let end = 0;
  for (const m of text.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/gi)) {
    const address = m[0].replace(/[.,;:!?)\]}]+$/, "");
    if (!URL.canParse(address)) continue;
    nodes.push(text.slice(end, m.index));
    nodes.push(el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address));
    end = m.index + address.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((n) => n !== "");
}
