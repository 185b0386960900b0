// SPDX-License-Identifier: MIT
// Instructions per event, counted by callgrind: two runs with different counts, and the difference
// divided, so that start and end do not matter. Repeatable where the clock is not (the size of the
// reads still varies a little). Compared with tests/bench/count.json.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { linnetWords, run } from "./measure.mjs";

const FILE = "tests/bench/count.json", RISE = 1.03;
const FEW = 2000, MANY = 12000;
const cases = [
  { name: "inbound 60 B", mode: "inbound", size: 60 },
  { name: "inbound 240 B", mode: "inbound", size: 240 },
  { name: "inbound 2 KB", mode: "inbound", size: 2048 },
  { name: "raw WebSocket 240 B", mode: "inbound", size: 240, proto: "ws" },
  { name: "Pusher 240 B", mode: "inbound", size: 240, proto: "pusher" },
  { name: "emit 240 B", mode: "emit", size: 240 },
  { name: "ack round trip", mode: "rtt", size: 60 },
];

async function instructions(suite) {
  const out = `build/callgrind.${process.pid}`;
  const valgrind = ["valgrind", "--tool=callgrind", `--callgrind-out-file=${out}`];
  await run("linnet", { ...suite, gently: true }, (s, a) => ["sh", "-c", 'BENCH_PID=$$ exec "$@"', "sh", ...linnetWords(s, a, valgrind)]);
  const total = /^(?:summary|totals): (\d+)/m.exec(readFileSync(out, "utf8"));
  rmSync(out);
  return Number(total[1]);
}

async function perEvent(suite) {
  const few = await instructions({ ...suite, count: FEW });
  const many = await instructions({ ...suite, count: MANY });
  return Math.round((many - few) / (MANY - FEW));
}

/* record: writes the figures down. notice: says nothing but what has risen. */
export async function countInstructions({ record, notice }) {
  const now = {};
  let known = {};
  try { known = JSON.parse(readFileSync(FILE, "utf8")); } catch { /* none recorded yet */ }
  for (const suite of cases) {
    const n = (now[suite.name] = await perEvent(suite)), was = known[suite.name];
    const change = was ? `${n >= was ? "+" : ""}${((n / was - 1) * 100).toFixed(1)} %` : "";
    if (!notice) console.log(`${suite.name.padEnd(20)}${String(n).padStart(8)} instructions per event  ${was ? `recorded ${was}  ${change}` : ""}`);
    else if (was && n > was * RISE) console.log(`notice: ${suite.name} needs ${n} instructions per event, ${change} over the recorded ${was} (./dev bench --count)`);
  }
  if (record) writeFileSync(FILE, JSON.stringify(now, null, 1) + "\n");
}
