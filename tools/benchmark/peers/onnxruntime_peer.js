// ONNX Runtime (npm: onnxruntime-node) as the inference peer, in the rows of `espalier benchmark`.
// node onnxruntime_peer.js PACKAGE_FOLDER FILE.onnx EXTENT CHANNELS THREADS BATCHES SECONDS REPETITIONS
const path = require('path');
const [folder, file, extent, channels, threads, batches, seconds, repetitions] = process.argv.slice(2);
const ort = require(path.join(folder, 'onnxruntime-node'));
try { require('os').setPriority(-19); } catch (error) { /* as espalier benchmark: best effort */ }
// One thread is timed by its CPU seconds: time that other jobs took is not in them.
const now = () => +threads === 1 ? 1e-6 * Object.values(process.cpuUsage()).reduce((a, b) => a + b)
                                 : Number(process.hrtime.bigint()) / 1e9;
(async () => {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: +threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
  const shape = [+channels, +extent, +extent];
  for (const n of batches.split(',').map(Number)) {
    const data = Float32Array.from({ length: n * shape.reduce((a, b) => a * b) }, () => Math.random() - 0.5);
    const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', data, [n, ...shape]) };
    const rates = [];
    for (let r = 0; r <= +repetitions; ++r) {  // the first warms up
      const start = now();
      let calls = 0, elapsed = 0;
      do {
        await session.run(feeds);
        ++calls;
        elapsed = now() - start;
      } while (elapsed < +seconds);
      if (r > 0) rates.push(calls * n / elapsed);
    }
    rates.sort((a, b) => a - b);
    const median = rates[rates.length >> 1];
    console.log(['infer', path.basename(file, '.onnx'), 'onnxruntime', threads, n, 'images/s', median.toPrecision(5),
      rates[0].toPrecision(5), rates[rates.length - 1].toPrecision(5), rates.length, ''].join('\t'));
  }
})();
