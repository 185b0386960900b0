// SPDX-License-Identifier: MIT
// One run: a load server and a client, each on a core of its own (where there are two). The figures
// are the server's, which watches the client from outside.
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { get } from "node:http";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve as absolute } from "node:path";

const here = "tests/bench";
const linnet = process.env.LINNET ?? "build/linnet";
const cert = "build/bench-cert.pem", key = "build/bench-key.pem";
const LIMIT_MS = 120000, RELOAD_MS = 5;
const pinned = availableParallelism() > 1;
const pin = (cpu, command) => (pinned ? ["taskset", "-c", String(cpu), ...command] : command);

/* The shell's process becomes linnet's, so that the script knows its process id. */
const underShell = (words) => ["sh", "-c", 'BENCH_PID=$$ exec "$@"', "sh", ...words];

export const linnetWords = (suite, args, before = []) => {
  const scripts = [`${here}/client.lua`];
  mkdirSync("build/bench", { recursive: true });
  for (let i = 1; i < (suite.scripts ?? 1); i++) {
    copyFileSync(`${here}/more.lua`, `build/bench/more${i}.lua`);
    scripts.push(`build/bench/more${i}.lua`);
  }
  return [...before, linnet, "run", ...(suite.reloads ? [] : ["-q"]), "--allow=env:BENCH_PID", ...scripts, "--", ...args];
};
const peer = (suite) => `${here}/${suite.proto ? `client_${suite.proto}` : "client"}.cjs`;
const clients = {
  linnet: (suite, args) => underShell(linnetWords(suite, args)),
  node: (suite, args) => ["node", peer(suite), ...args],
  bun: (suite, args) => [`${here}/node_modules/.bin/bun`, peer(suite), ...args],
};
export const clientNames = Object.keys(clients).filter((c) => c !== "bun" || existsSync(`${here}/node_modules/.bin/bun`));

let port = 20000 + (process.pid % 20000);

function lines(stream, each) {
  let rest = "";
  stream.on("data", (d) => {
    rest += d;
    for (let i; (i = rest.indexOf("\n")) >= 0; rest = rest.slice(i + 1)) each(rest.slice(0, i));
  });
}

function start(cpu, command, env = {}) {
  const [cmd, ...rest] = pin(cpu, command);
  return spawn(cmd, rest, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
}

export const serverWords = (suite, p) => [
  "build/load_server", ...[p, suite.mode === "others" || suite.mode === "names" ? "inbound" : suite.mode, suite.size, suite.count,
    suite.rate ?? 1000, suite.mode === "wake" ? suite.lines : 1, suite.names ?? 1].map(String), ...(suite.tls ? [cert, key] : [])];
export const clientArgs = (suite, p) => [
  ...[p, suite.clientMode ?? suite.mode, suite.size, suite.count, suite.lines ?? 1].map(String),
  ...(suite.tls || suite.proto ? [suite.tls ? cert : ""] : []), ...(suite.proto ? [suite.proto] : [])];

/* Resolves to {report, started, log} when the server has told its report. */
export function run(client, suite, words = clients[client]) {
  if (suite.mode === "dev") return runDev();
  return new Promise((resolve, reject) => {
    const p = ++port;
    const server = start(1, serverWords(suite, p), suite.proto ? { LOAD_PROTO: suite.proto } : {});
    let child, started, log = "", reloader;
    const end = (fn, value) => {
      clearTimeout(timer);
      clearInterval(reloader);
      server.kill("SIGKILL");
      if (!child || child.exitCode !== null) return fn(value);
      child.removeAllListeners("exit");
      child.on("exit", () => fn(value));
      child.kill(suite.gently ? "SIGTERM" : "SIGKILL");
    };
    const fail = (why) => end(reject, new Error(`${client}, ${suite.name}: ${why}\n${log}`));
    const timer = setTimeout(() => fail(`no end within ${LIMIT_MS / 1000} s`), LIMIT_MS);
    lines(server.stdout, (line) => {
      if (line !== "ready") {
        const report = JSON.parse(line);
        if (suite.reloads) report.reloads = [...log.matchAll(/reloaded .* in (\d+) ms/g)].map((m) => Number(m[1])).sort((a, b) => a - b);
        end(resolve, { report, started });
        return;
      }
      started = Number(process.hrtime.bigint());
      child = start(0, words(suite, clientArgs(suite, p)), suite.tls ? { NODE_EXTRA_CA_CERTS: cert } : {});
      child.stderr.on("data", (d) => (log += d));
      child.on("exit", (code, signal) => fail(`ended with ${code ?? signal}`));
      if (suite.reloads) reloadWhen(() => log.includes("connected in "), child, suite.reloads, (r) => (reloader = r));
    });
    server.on("exit", (code) => code && fail("the load server failed"));
  });
}

function reloadWhen(ready, child, times, keep) {
  keep(setInterval(() => {
    if (!ready() || times-- <= 0) return;
    child.kill("SIGHUP");
  }, RELOAD_MS));
}

/* From the start of the process to an answer of its page. */
function runDev() {
  return new Promise((resolve, reject) => {
    const dir = mkdtempSync(join(tmpdir(), "linnet-bench-")), p = ++port;
    const started = process.hrtime.bigint();
    copyFileSync("scripts/hello.lua", join(dir, "hello.lua"));
    const child = spawn(absolute(linnet), ["dev", "-q", "--port", String(p)], { cwd: dir, stdio: "ignore" });
    const end = (fn, value) => { child.kill("SIGKILL"); rmSync(dir, { recursive: true }); fn(value); };
    const ask = () => get({ port: p, path: "/" }, (res) => {
      res.resume();
      res.on("end", () => end(resolve, { report: { ms: Number(process.hrtime.bigint() - started) / 1e6 } }));
    }).on("error", () => (Number(process.hrtime.bigint() - started) > 1e10 ? end(reject, new Error("linnet dev does not answer")) : setTimeout(ask, 1)));
    ask();
  });
}
