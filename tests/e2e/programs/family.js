// Code compiled at run time in several threads, while processes come and go: workers with hot loops
// and subprocesses of their own, a cluster, signals among processes, and WebAssembly.
const { spawn, spawnSync, execFileSync, fork } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const cluster = require("cluster");
const fs = require("fs");

function hot(n) {
  const body = new Function("n", "let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) | 0; return s;");
  let s = 0;
  for (let i = 0; i < 50; i++) s ^= body(n + i);
  return s;
}

function subprocess(status) {
  const r = spawnSync("sh", ["-c", `echo $$ $PPID; exit ${status}`]);
  return r.status === status && String(r.stdout).trim() === `${r.pid} ${process.pid}`;
}

function statusOf(child) {
  return new Promise((done) => child.on("exit", (code, signal) => done(signal || code)));
}

async function main() {
  console.log("pid", process.pid, "ppid", process.ppid);
  const want = hot(100000);
  const workers = Array.from({ length: 4 }, () => new Promise((done, failed) => {
    const w = new Worker(__filename, { workerData: 100000 });
    w.on("message", done);
    w.on("error", failed);
  }));
  const spawned = Array.from({ length: 20 }, (_, i) => statusOf(spawn("sh", ["-c", `exit ${i}`])));
  const results = await Promise.all(workers);
  console.log("workers", results.every((r) => r.sum === want && r.right === 10 && r.pid === process.pid));
  const tids = new Set(results.map((r) => r.task));
  console.log("threads", tids.size, [...tids].every((t) => t.startsWith(`${process.pid}/task/`)));
  console.log("exits", (await Promise.all(spawned)).join() === [...Array(20).keys()].join());

  const ids = [];
  for (let i = 0; i < 3; i++) {
    const w = cluster.fork();
    w.on("message", (m) => { ids.push(m.pid === w.process.pid && m.ppid === process.pid); w.kill("SIGTERM"); });
  }
  const ends = [];
  await new Promise((done) => cluster.on("exit", (w, code, signal) => { if (ends.push(signal) === 3) done(); }));
  console.log("cluster", ids.join(), ends.join());

  let signalled;
  const usr2 = new Promise((done) => { signalled = done; });
  process.on("SIGUSR2", (name, number) => signalled(`${name} ${number}`));
  const awake = setInterval(() => {}, 1000);
  execFileSync("sh", ["-c", "kill -USR2 $PPID"]);
  console.log(await usr2);
  clearInterval(awake);

  const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1,
    3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
  console.log("wasm", (await WebAssembly.instantiate(wasm)).instance.exports.add(40, 2));
  const sleeper = spawn("sleep", ["1000"], { detached: true });
  const row = execFileSync("ps", ["-o", "pid=,ppid=,pgid=,sid=", "-p", sleeper.pid]).toString().trim().split(/ +/);
  console.log("detached", row.join() === [sleeper.pid, process.pid, sleeper.pid, sleeper.pid].join());
  process.kill(-sleeper.pid, "SIGKILL");
  console.log(await statusOf(sleeper), fs.existsSync(`/proc/${sleeper.pid}`));
  process.exit(8);
}

if (!isMainThread) {
  let right = 0;
  for (let i = 0; i < 10; i++) right += subprocess(i) ? 1 : 0;
  parentPort.postMessage({ sum: hot(workerData), right, pid: process.pid, task: fs.readlinkSync("/proc/thread-self") });
} else if (cluster.isPrimary) {
  main();
} else {
  process.send({ pid: process.pid, ppid: process.ppid });
}
