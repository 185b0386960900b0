// SPDX-License-Identifier: MIT
// Runs every suite for every client in turn, several rounds, and prints one table: medians with
// minimum and maximum, and the ratio to linnet. The load server has a core of its own and measures
// the client from outside. A run whose count or checksum differs from the others' is refused.
import { spawn } from "node:child_process";
import { writeFileSync, existsSync } from "node:fs";
import { availableParallelism } from "node:os";

const args = process.argv.slice(2);
const quick = args.includes("--quick");
const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : null;
const rounds = quick ? 2 : 5;
const scale = quick ? 0.2 : 1;
const here = "tests/bench";
const pinned = availableParallelism() > 1;
const pin = (cpu, command) => (pinned ? ["taskset", "-c", String(cpu), ...command] : command);

const clients = {
  linnet: (a) => ["sh", "-c", 'BENCH_PID=$$ exec build/linnet run -q --allow=env:BENCH_PID tests/bench/client.lua -- "$@"', "sh", ...a],
  node: (a) => ["node", `${here}/client.cjs`, ...a],
  bun: (a) => [`${here}/node_modules/.bin/bun`, `${here}/client.cjs`, ...a],
};
if (!existsSync(`${here}/node_modules/.bin/bun`)) delete clients.bun;

const n = (x) => Math.max(10, Math.round(x * scale));
const suites = [
  { name: "inbound 60 B", mode: "inbound", size: 110, count: n(300000), unit: "ns/event", value: perEvent },
  { name: "inbound 240 B", mode: "inbound", size: 240, count: n(300000), unit: "ns/event", value: perEvent },
  { name: "inbound 2 KB", mode: "inbound", size: 2048, count: n(100000), unit: "ns/event", value: perEvent },
  { name: "emit 240 B", mode: "emit", size: 240, count: n(100000), unit: "ns/event", value: perEvent },
  { name: "ack round trip p50", mode: "rtt", size: 60, count: n(10000), unit: "us", value: (r) => r.done.p50 / 1000 },
  { name: "ack round trip p99", mode: "rtt", size: 60, count: n(10000), unit: "us", value: (r) => r.done.p99 / 1000 },
  { name: "start to connected", mode: "start", size: 60, count: 1, unit: "ms", value: (r, t) => (r.now_ns - t) / 1e6 },
  { name: "resident memory", mode: "idle", size: 60, count: 1, unit: "MB", value: (r) => r.rss_kb / 1024 },
  { name: "private memory", mode: "idle", size: 60, count: 1, unit: "MB", value: (r) => r.private_kb / 1024 },
  { name: "100 idle lines", mode: "idle", size: 60, count: 100, unit: "MB private", value: (r) => r.private_kb / 1024, once: true },
  { name: "1,000 idle lines", mode: "idle", size: 60, count: 1000, unit: "MB private", value: (r) => r.private_kb / 1024, once: true },
  { name: "10,000 idle lines", mode: "idle", size: 60, count: 10000, unit: "MB private", value: (r) => r.private_kb / 1024, once: true, slow: true },
  { name: "single events, 1 line", mode: "wake", size: 240, count: n(6000), rate: 2000, lines: 1, unit: "ns/event", value: perEvent },
  { name: "single events, 1,000 lines", mode: "wake", size: 240, count: n(6000), rate: 2000, lines: 1000, unit: "ns/event", value: perEvent, once: true },
];
function perEvent(r) { return r.cpu_ns / r.count; }

let port = 20000 + (process.pid % 20000);
function lines(stream, each) {
  let rest = "";
  stream.on("data", (d) => {
    rest += d;
    for (let i; (i = rest.indexOf("\n")) >= 0; rest = rest.slice(i + 1)) each(rest.slice(0, i));
  });
}

function run(client, suite) {
  return new Promise((resolve, reject) => {
    const p = ++port;
    const serverArgs = [p, suite.mode, suite.size, suite.count, suite.rate ?? 1000, suite.lines ?? 1].map(String);
    const server = spawn(...split(pin(1, ["build/load_server", ...serverArgs])));
    let child, started, errors = "";
    const end = (fn, value) => { clearTimeout(timer); child?.kill("SIGKILL"); server.kill("SIGKILL"); fn(value); };
    const timer = setTimeout(() => end(reject, new Error(`${client} ${suite.name}: no end within 120 s\n${errors}`)), 120000);
    lines(server.stdout, (line) => {
      if (line === "ready") {
        started = Number(process.hrtime.bigint());
        child = spawn(...split(pin(0, clients[client]([p, suite.mode, suite.size, suite.count, suite.lines ?? 1].map(String)))));
        child.stderr.on("data", (d) => (errors += d));
        child.on("exit", (code) => code && end(reject, new Error(`${client} ${suite.name}: exit ${code}\n${errors}`)));
      } else {
        const r = JSON.parse(line);
        end(resolve, { value: suite.value(r, started), sum: r.done?.sum, n: r.done?.n });
      }
    });
  });
}
const split = ([cmd, ...rest]) => [cmd, rest, { stdio: ["ignore", "pipe", "pipe"] }];
const median = (v) => [...v].sort((a, b) => a - b)[v.length >> 1];
const show = (x) => (x >= 1000 ? Math.round(x).toLocaleString("en") : x.toPrecision(3));

const results = [];
console.log(`${"".padEnd(28)}${Object.keys(clients).map((c) => c.padStart(26)).join("")}   node/linnet  bun/linnet`);
for (const suite of suites) {
  if (only && !suite.name.includes(only)) continue;
  if (quick && suite.slow) continue;
  const values = Object.fromEntries(Object.keys(clients).map((c) => [c, []]));
  const sums = new Set();
  for (let round = 0; round < (suite.once ? 1 : rounds); round++) {
    for (const client of Object.keys(clients)) {
      try {
        const r = await run(client, suite);
        values[client].push(r.value);
        if (r.n !== undefined) sums.add(`${r.n}/${r.sum}`);
      } catch (e) { console.error(String(e.message)); }
    }
  }
  if (sums.size > 1) { console.error(`${suite.name}: the clients disagree (${[...sums]}): not compared`); process.exitCode = 1; continue; }
  const row = { name: suite.name, unit: suite.unit };
  let text = `${suite.name} (${suite.unit})`.padEnd(28);
  for (const c of Object.keys(clients)) {
    if (!values[c].length) { text += "-".padStart(26); continue; }
    row[c] = { median: median(values[c]), min: Math.min(...values[c]), max: Math.max(...values[c]) };
    text += `${show(row[c].median)} (${show(row[c].min)}-${show(row[c].max)})`.padStart(26);
  }
  const ratio = (c) => (row[c] && row.linnet ? (row[c].median / row.linnet.median).toFixed(2) : "-");
  console.log(`${text}   ${ratio("node").padStart(11)}  ${ratio("bun").padStart(10)}`);
  results.push(row);
}
writeFileSync("build/bench.json", JSON.stringify(results, null, 1));
console.log("also in build/bench.json; ratios above 1: linnet needs less");
