// SPDX-License-Identifier: MIT
// What tests of the command line share: folders with files, runs to the end, waiting for words.
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createServer } from "node:net";
import { LIMIT, ok } from "./lib.mjs";

export const linnet = process.argv[2];
export const env = { ...process.env, XDG_CONFIG_HOME: "/nonexistent", NO_COLOR: "" };

const dirs = [];
process.on("exit", () => dirs.forEach((d) => rmSync(d, { recursive: true, force: true })));
/** A new folder with these files. */
export function folder(files = {}) {
  const dir = mkdtempSync(join(tmpdir(), "linnet-cli-"));
  dirs.push(dir);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}
/** linnet to its end: {code, signal, out, err, all}. */
export function run(args, options = {}) {
  const r = spawnSync(linnet, args, { encoding: "utf8", timeout: LIMIT, env, ...options, env: { ...env, ...options.env } });
  return { code: r.status, signal: r.signal, out: r.stdout, err: r.stderr, all: r.stdout + r.stderr };
}
export const says = (r, pattern, what = "output") => ok(pattern.test(r.all), `${what}: ${pattern} is not in\n${r.all}`);
/** A port on which nobody listens. */
export const closed = () => new Promise((r) => { const s = createServer(); s.listen(0, "127.0.0.1", () => { const { port } = s.address(); s.close(() => r(port)); }); });
