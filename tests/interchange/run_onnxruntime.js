// run_onnxruntime.js ORT FOLDER: what ONNX Runtime (npm onnxruntime-node in the folder ORT) makes of every model in
// FOLDER: NAME.onnx of the input NAME.f32 (raw float32; or NAME.u8, bytes) whose shape "2,3,224,224" is in NAME.shape.
// The first output goes to NAME.ort.f32.
const fs = require("fs");
const path = require("path");
const [ort, folder] = process.argv.slice(2);
const { InferenceSession, Tensor } = require(require.resolve("onnxruntime-node", { paths: [ort] }));

async function run(name) {
  const file = (suffix) => path.join(folder, name + suffix);
  const session = await InferenceSession.create(file(".onnx"), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const shape = fs.readFileSync(file(".shape"), "utf8").split(",").map(Number);
  const isBytes = fs.existsSync(file(".u8"));
  const bytes = fs.readFileSync(file(isBytes ? ".u8" : ".f32"));
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const input = isBytes ? new Tensor("uint8", new Uint8Array(buffer), shape) : new Tensor("float32", new Float32Array(buffer), shape);
  const result = await session.run({ [session.inputNames[0]]: input });
  const { data } = result[session.outputNames[0]];
  fs.writeFileSync(file(".ort.f32"), Buffer.from(data.buffer, data.byteOffset, data.byteLength));
}

(async () => {
  for (const file of fs.readdirSync(folder).sort())
    if (file.endsWith(".onnx"))
      await run(file.slice(0, -5)).catch((e) => {
        console.error(`${file}: ${e.message}`);
        process.exitCode = 1;
      });
})();
