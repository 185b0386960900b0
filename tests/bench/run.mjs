// SPDX-License-Identifier: MIT
// run.mjs [--quick] [--only TEXT] [--rounds N] [--json] | --count [--record | --notice]
// Every suite for every client in turn, several rounds, one table: medians with minimum and
// maximum, and the ratio to linnet. What counted otherwise than it should is refused.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { countInstructions } from "./count.mjs";
import { clientNames, run } from "./measure.mjs";
import { suitesFor } from "./suites.mjs";

const args = process.argv.slice(2);
const has = (flag) => args.includes(flag);
const after = (flag) => (has(flag) ? args[args.indexOf(flag) + 1] : null);
const quick = has("--quick"), json = has("--json"), only = after("--only");
const rounds = Number(after("--rounds") ?? (quick ? 2 : 5));
const say = json ? () => {} : console.log;

const median = (v) => { const s = [...v].sort((a, b) => a - b), h = s.length >> 1; return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2; };
const show = (x) => (x >= 1000 ? Math.round(x).toLocaleString("en") : x.toPrecision(3));
const ratio = (row, c) => (row[c] && row.linnet ? (row[c].median / row.linnet.median).toFixed(2) : "-");

function print(row) {
  let text = `${row.name} (${row.unit})`.padEnd(46);
  for (const c of clientNames)
    text += (row[c] ? `${show(row[c].median)} (${show(row[c].min)}-${show(row[c].max)})` : "-").padStart(24);
  say(`${text}  ${ratio(row, "node").padStart(6)}  ${ratio(row, "bun").padStart(6)}`);
}

/* The reports of all rounds, by client; null when the clients do not agree. */
async function reportsOf(suite) {
  const reports = Object.fromEntries(clientNames.map((c) => [c, []]));
  const counts = new Set();
  for (let round = 0; round < (suite.once ? 1 : rounds); round++) {
    for (const client of clientNames.filter((c) => (suite.of ?? clientNames).includes(c))) {
      try {
        const r = await run(client, suite);
        reports[client].push(r);
        if (r.report.done) counts.add(`${r.report.done.n} events, sum ${r.report.done.sum ?? 0}`);
        if (r.report.done && r.report.done.n !== suite.count) counts.add(`${suite.count} were sent`);
        if (suite.scripts && suite.mode === "inbound" && r.report.received < suite.scripts - 1) counts.add("a script was silent");
        if (suite.reloads && r.report.reloads.length < suite.reloads / 2) counts.add(`${r.report.reloads.length} reloads only`);
      } catch (e) { console.error(e.message); process.exitCode = 1; }
    }
  }
  if (counts.size <= 1) return reports;
  console.error(`${suite.name}: the counts differ (${[...counts].join("; ")}): not compared`);
  process.exitCode = 1;
  return null;
}

const commit = () => { try { return execFileSync("git", ["rev-parse", "--short", "HEAD"], { stdio: ["ignore", "pipe", "ignore"] }).toString().trim(); } catch { return null; } };

async function main() {
  const rows = [];
  say(`${"".padEnd(46)}${clientNames.map((c) => c.padStart(24)).join("")}    node     bun  (times linnet's)`);
  for (const suite of suitesFor(quick ? 0.2 : 1)) {
    if ((only && !suite.name.includes(only)) || (quick && suite.slow)) continue;
    const reports = await reportsOf(suite);
    if (!reports) continue;
    for (const part of [suite, ...(suite.same ?? [])]) {
      const row = { name: part.name, unit: part.unit };
      for (const [c, all] of Object.entries(reports)) {
        if (!all.length) continue;
        const values = all.map((r) => part.value(r.report, r.started));
        row[c] = { median: median(values), min: Math.min(...values), max: Math.max(...values) };
      }
      rows.push(row);
      print(row);
    }
  }
  const result = { date: new Date().toISOString(), commit: commit(), cpu: cpus()[0]?.model, cores: cpus().length, rounds, quick, rows };
  writeFileSync("build/bench.json", JSON.stringify(result, null, 1));
  if (json) console.log(JSON.stringify(result, null, 1));
  else say("also in build/bench.json; ratios above 1: linnet needs less");
}

await (has("--count") ? countInstructions({ record: has("--record"), notice: has("--notice") }) : main());
