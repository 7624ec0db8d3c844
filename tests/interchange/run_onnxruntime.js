// run_onnxruntime.js ORT MODEL.onnx INPUT.f32 SHAPE OUTPUT.f32: what ONNX Runtime (npm onnxruntime-node in the folder
// ORT) makes of an input of SHAPE ("2,3,224,224"); the first output is written as raw float32.
const fs = require("fs");
const [ort, model, input, shape, output] = process.argv.slice(2);
const { InferenceSession, Tensor } = require(require.resolve("onnxruntime-node", { paths: [ort] }));
(async () => {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const bytes = fs.readFileSync(input);
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const result = await session.run({ [session.inputNames[0]]: new Tensor("float32", values, shape.split(",").map(Number)) });
  const { data } = result[session.outputNames[0]];
  fs.writeFileSync(output, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
})().catch((e) => {
  console.error(e.message);
  process.exit(1);
});
