// SPDX-License-Identifier: MIT
// What the browser keeps between visits: who one is, the joined rooms, what was read. A browser
// that refuses storage has a page that works until it is closed.

const fallback = new Map();

function load(key) {
  try {
    return JSON.parse(localStorage.getItem("linnet." + key));
  } catch {
    return fallback.get(key) ?? null;
  }
}

function save(key, value) {
  try {
    localStorage.setItem("linnet." + key, JSON.stringify(value));
  } catch {
    fallback.set(key, value);
  }
}

const text = (value) => (typeof value === "string" ? value : "");

export function randomId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return prefix + [...bytes].map((b) => b.toString(36).padStart(2, "0")).join("").slice(0, 14);
}

// {id, name, status, text}; name is "" until one was chosen.
export function loadMe() {
  const stored = load("me") ?? {};
  const me = {
    id: text(stored.id) || randomId("u"),
    name: text(stored.name),
    status: ["online", "away", "busy"].includes(stored.status) ? stored.status : "online",
    text: text(stored.text),
  };
  save("me", me);
  return me;
}

export const saveMe = (me) => save("me", me);

export function loadRooms() {
  const stored = load("rooms");
  const names = Array.isArray(stored) ? stored.filter((n) => typeof n === "string" && n) : [];
  return stored === null ? ["lobby"] : names.slice(0, 100);
}

export const saveRooms = (names) => save("rooms", names);

// The time of the newest message read in a room, 0 for none.
const readUpTo = new Map(Object.entries(load("read") ?? {}).slice(-200));
export const readTime = (room) => Number(readUpTo.get(room)) || 0;

export function saveRead(room, time) {
  if (time <= readTime(room)) return;
  readUpTo.delete(room);
  readUpTo.set(room, time);
  save("read", Object.fromEntries([...readUpTo].slice(-200)));
}
