// SPDX-License-Identifier: MIT
// The few helpers that the views build elements with. Text of other people goes through
// textContent (el's strings are text nodes), never through markup.

export const $ = (id) => document.getElementById(id);

// el("li", { class: "room", onclick }, "text", child, null): null children are left out.
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// Makes parent's children match items, one each, and keeps the elements of the keys that stay:
// focus and scrolling survive an update. update(node, item) is called for every one.
export function reconcile(parent, items, key, make, update) {
  const old = new Map();
  for (const node of parent.children) old.set(node.dataset.key, node);
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = String(key(item));
    let node = old.get(k);
    if (node) {
      old.delete(k);
    } else {
      node = make(item);
      node.dataset.key = k;
    }
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

// A function that calls fn once after any number of calls in a row. Not requestAnimationFrame,
// which stands still in a hidden tab whose title should still count.
export function soon(fn) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      fn();
    }, 0);
  };
}

// The same, before the next picture is painted: nobody sees the state in between.
export function beforePaint(fn) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const run = () => {
      waiting = false;
      fn();
    };
    if (document.visibilityState === "visible") requestAnimationFrame(run);
    else setTimeout(run, 0);
  };
}

// Sets text only when it differs, so that live regions are not read out again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let noticeTimer;
export function notice(text) {
  setText($("notice"), text);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => setText($("notice"), ""), 6000);
}

// Says something to screen readers only.
export function speak(text) {
  setText($("spoken"), text);
}
