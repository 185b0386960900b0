// SPDX-License-Identifier: MIT
// Starts the page and holds its parts together: the line (line.js), what is known (chat.js), and
// the views. Here too: tabs, drawers, the banner when the line is down, the title, #room, the look.
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { $, notice, setText, soon, speak } from "./dom.js";
import { Events } from "./events.js";
import { Line } from "./line.js";
import { Messages } from "./messages.js";
import { Sides } from "./sides.js";

const LOOK_AROUND_MS = 60000;
const PATIENCE_MS = 600; // a connect that is faster is not worth a word

const line = new Line(() => {
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.search = "";
  url.searchParams.set("id", chat.me.id);
  if (chat.chosenName) url.searchParams.set("name", chat.chosenName);
  return url;
});
const chat = new Chat(line);
const inFront = () => document.visibilityState === "visible" && !$("chat").hidden;
const messages = new Messages(chat, inFront);
const events = new Events(line);
new Sides(chat);
new Composer(chat, messages);
chat.addEventListener("trouble", (e) => notice(e.detail));

// --- the line ---

let slow;
let wasDown = false;
function showLine() {
  clearTimeout(slow);
  const down = line.state === "down";
  if (down) {
    const why = line.refusal ? `The hub refuses: ${line.refusal}.` : "The line to the hub is down.";
    setText($("down-words"), `${why} Trying again in ${line.secondsLeft()} s.`);
  } else {
    setText($("down-words"), "Connecting to the hub…");
  }
  $("try-now").hidden = !down;
  if (line.state === "ready") {
    if (!$("down").hidden && wasDown) speak("The line to the hub is back.");
    $("down").hidden = true;
    wasDown = false;
  } else if (down) {
    $("down").hidden = false;
    if (!wasDown) speak("The line to the hub is down. The page goes on trying.");
    wasDown = true;
  } else if (!wasDown) {
    slow = setTimeout(() => ($("down").hidden = false), PATIENCE_MS);
  }
}
line.addEventListener("state", showLine);
line.addEventListener("count", showLine);
$("try-now").addEventListener("click", () => {
  line.hurry();
  $("write").focus();
});
addEventListener("online", () => line.hurry());
addEventListener("pageshow", (e) => e.persisted && line.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  line.hurry(); // timers sleep in a hidden tab; the line may have died meanwhile
  messages.seen();
});
setInterval(() => {
  if (document.visibilityState === "visible" && line.state === "ready") chat.lookAround();
}, LOOK_AROUND_MS);

// --- tabs ---

const tabs = [$("tab-chat"), $("tab-events")];
function choose(tab) {
  for (const t of tabs) {
    t.setAttribute("aria-selected", String(t === tab));
    t.tabIndex = t === tab ? 0 : -1;
    $(t.getAttribute("aria-controls")).hidden = t !== tab;
  }
  const onEvents = tab.id === "tab-events";
  document.body.classList.toggle("on-events", onEvents);
  $("where-chat").hidden = onEvents;
  $("where-events").hidden = !onEvents;
  if (onEvents) {
    events.open();
  } else {
    messages.reopen();
  }
}
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}

// --- drawers of a narrow screen ---

const drawers = [
  { side: $("left"), button: $("show-left") },
  { side: $("right"), button: $("show-right") },
];
function openDrawer(drawer) {
  for (const { side, button } of drawers) {
    const open = drawer?.side === side;
    side.classList.toggle("open", open);
    button.setAttribute("aria-expanded", String(open));
  }
  $("shade").hidden = !drawer;
  document.querySelector("main").inert = Boolean(drawer);
  if (!drawer) return;
  drawer.side.tabIndex = -1;
  drawer.side.focus({ preventScroll: true });
}
const openOne = () => drawers.find((d) => d.side.classList.contains("open"));
function closeDrawer() {
  const drawer = openOne();
  if (!drawer) return;
  openDrawer(null);
  drawer.button.focus();
}
for (const drawer of drawers) drawer.button.addEventListener("click", () => openDrawer(drawer));
$("shade").addEventListener("click", closeDrawer);
addEventListener("keydown", (e) => {
  if (e.key === "Escape" && !$("profile").open) closeDrawer();
});
matchMedia("(width > 1000px)").addEventListener("change", () => openDrawer(null));
$("skip").addEventListener("click", (e) => {
  e.preventDefault(); // the address names the room
  $("write").focus();
});

// --- rooms and the address ---

function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim().slice(0, 100);
  } catch {
    return "";
  }
}
chat.addEventListener("room", (e) => {
  const name = e.detail.room?.name ?? "";
  if (!location.hash) history.replaceState(null, "", "#" + encodeURIComponent(name));
  else if (roomOfAddress() !== name) location.hash = encodeURIComponent(name);
  choose($("tab-chat"));
  closeDrawer();
});
addEventListener("hashchange", () => {
  const name = roomOfAddress();
  if (name && name !== chat.current) chat.go(name);
});
const showTitle = soon(() => {
  let unread = 0;
  for (const room of chat.rooms.values()) unread += room.unread;
  const count = unread ? `(${unread > 99 ? "99+" : unread}) ` : "";
  document.title = `${count}${chat.current ? `#${chat.current} · ` : ""}linnet`;
});
chat.addEventListener("rooms", showTitle);
chat.addEventListener("room", showTitle);

// --- the look ---

const systemDark = matchMedia("(prefers-color-scheme: dark)");
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;
  const choice = dark ? "light" : "dark";
  const system = systemDark.matches ? "dark" : "light";
  if (choice === system) delete root.dataset.theme; // follow the system again
  else root.dataset.theme = choice;
  try {
    if (choice === system) localStorage.removeItem("linnet.theme");
    else localStorage.setItem("linnet.theme", choice);
  } catch {
    // not kept then
  }
  speak(`The page is ${choice} now.`);
});

chat.go(roomOfAddress() || chat.rooms.keys().next().value || "lobby");
line.open();
if (matchMedia("(hover: hover)").matches) $("write").focus(); // no keyboard pops up on a phone
