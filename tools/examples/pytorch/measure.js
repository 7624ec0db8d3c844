// measure.js ORT DATA MODEL.onnx...: accuracy on CIFAR-10's test images, size, and microseconds an image of each model in
// ONNX Runtime on one thread. ORT: the folder where "npm install --ignore-scripts onnxruntime-node" was run. DATA:
// holds cifar-10-batches-bin. Times are the medians of 30 runs, the models in turn, so that what else the machine does
// meets all of them. The normalisation is that of train.py. IMAGES in the environment: how many test images (10000).
const fs = require("fs");
const path = require("path");
const [ort, data, ...models] = process.argv.slice(2);
const { InferenceSession, Tensor } = require(require.resolve("onnxruntime-node", { paths: [ort] }));
const mean = [0.4914, 0.4822, 0.4465], std = [0.247, 0.2435, 0.2616];
const pixels = 1024, record = 1 + 3 * pixels;
const bytes = fs.readFileSync(path.join(data, "cifar-10-batches-bin", "test_batch.bin"));
const count = Math.min(Number(process.env.IMAGES || 10000), bytes.length / record);

function batch(first, n) {
  const x = new Float32Array(n * 3 * pixels), labels = [];
  for (let i = 0; i < n; ++i) {
    const at = (first + i) * record;
    labels.push(bytes[at]);
    for (let c = 0; c < 3; ++c)
      for (let p = 0; p < pixels; ++p)
        x[(i * 3 + c) * pixels + p] = (bytes[at + 1 + c * pixels + p] / 255 - mean[c]) / std[c];
  }
  return { x: new Tensor("float32", x, [n, 3, 32, 32]), labels };
}

async function logits(session, x) {
  return (await session.run({ [session.inputNames[0]]: x }))[session.outputNames[0]].data;
}

async function accuracy(session) {
  let right = 0;
  for (let first = 0; first < count; first += 500) {
    const { x, labels } = batch(first, Math.min(500, count - first));
    const y = await logits(session, x);
    labels.forEach((label, i) => {
      const own = y.slice(10 * i, 10 * i + 10);
      right += own.indexOf(Math.max(...own)) === label;
    });
  }
  return (100 * right) / count;
}

const median = (v) => v.sort((a, b) => a - b)[v.length >> 1];

(async () => {
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };
  const sessions = [];
  for (const file of models) sessions.push(await InferenceSession.create(file, options));
  const times = models.map(() => ({ 1: [], 64: [] }));
  for (const n of [1, 64]) {
    const { x } = batch(0, Math.min(n, count));
    for (let run = 0; run < 33; ++run)
      for (let m = 0; m < models.length; ++m) {
        const begun = process.hrtime.bigint();
        await logits(sessions[m], x);
        if (run >= 3) times[m][n].push(Number(process.hrtime.bigint() - begun) / 1000 / x.dims[0]);
      }
  }
  console.log("| model | test accuracy | bytes | us an image, alone | of 64 |\n|---|---:|---:|---:|---:|");
  for (let m = 0; m < models.length; ++m)
    console.log(`| ${path.basename(models[m])} | ${(await accuracy(sessions[m])).toFixed(2)} % | ` +
        `${fs.statSync(models[m]).size.toLocaleString("en")} | ${median(times[m][1]).toFixed(0)} | ${median(times[m][64]).toFixed(0)} |`);
})();
