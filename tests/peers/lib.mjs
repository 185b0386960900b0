// SPDX-License-Identifier: MIT
// The frame of the peer tests: cases, checks, and linnet processes that end with the test.
import { spawn } from "node:child_process";

const children = new Set(); // none outlives the test, however it ends
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** ms until something that was expected counts as missing: long, for machines that have much else to do. */
export const LIMIT = 60000;

const cases = [];
export const test = (name, fn) => cases.push({ name, fn });
export function equal(got, want, what = "value") {
  const [g, w] = [JSON.stringify(got), JSON.stringify(want)];
  if (g !== w) throw new Error(`${what}: got ${g}, wanted ${w}`);
}
export function ok(value, what) {
  if (!value) throw new Error(what);
}
/** The promise's value, or an error after ms that says what was waited for. */
export function within(promise, what, ms = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
/** Until the condition (which may be a promise) holds; an error after ms that says what did not come. */
export const until = (condition, what, ms = LIMIT) =>
  within((async () => { while (!(await condition())) await new Promise((r) => setTimeout(r, 10)); })(), what, ms);
export const once = (emitter, event, what = event) => within(new Promise((r) => emitter.once(event, (...a) => r(a))), what);

/** Starts linnet; resolves once `pattern` was printed: {match, kill(), out(), err(), exited}. */
export function start(linnet, args, pattern = null, options = {}) {
  const child = spawn(linnet, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
  let out = "", err = "";
  children.add(child);
  // Not at "exit": what it said last may still be on its way to us then.
  const exited = new Promise((r) => child.on("close", (code, signal) => { children.delete(child); r(code ?? signal); }));
  const self = {
    child, exited, out: () => out, err: () => err,
    async end(signal = "SIGTERM") { child.kill(signal); return within(exited, `linnet ${args[0]} to end`); },
  };
  const ready = new Promise((resolve, reject) => {
    const look = () => { const m = pattern && (out + err).match(pattern); if (m) { self.match = m; resolve(self); } };
    child.stdout.on("data", (d) => { out += d; look(); });
    child.stderr.on("data", (d) => { err += d; look(); });
    exited.then((code) => reject(new Error(`linnet ${args.join(" ")} ended with ${code}\n${out}${err}`)));
    if (!pattern) resolve(self);
  });
  ready.catch(() => {});
  return within(ready, `linnet ${args.join(" ")} to say ${pattern}`);
}
export const hub = (linnet, args = []) =>
  start(linnet, ["hub", "--port", "0", ...args], /http:\/\/[0-9.]+:(\d+)/).then((h) => { h.url = h.match[0]; h.port = Number(h.match[1]); return h; });

export async function main() {
  const only = process.argv[3];
  let passed = 0, failed = 0;
  for (const c of cases) {
    if (only && !c.name.includes(only)) continue;
    const began = Date.now();
    try {
      await within(c.fn(), "the whole case", 5 * LIMIT);
      passed++;
      console.log(`ok   ${c.name} (${Date.now() - began} ms)`);
    } catch (e) {
      failed++;
      console.log(`FAIL ${c.name}\n     ${e.stack}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
