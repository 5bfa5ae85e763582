// ONNX Runtime's side of the comparison (README.md has the protocol).
//
//   node peer_ort.js MODEL.onnx[,MODEL.onnx] PICTURES SIDE BATCH THREADS
//
// Of several graphs of one model the fastest is used.
'use strict';
const fs = require('node:fs');
const readline = require('node:readline');
const ort = require('onnxruntime-node');
const { version } = require('onnxruntime-node/package.json');

async function main() {
  const [models, file] = process.argv.slice(2, 4);
  const [side, batch, threads] = process.argv.slice(4).map(Number);
  const pictures = new Float32Array(batch * 3 * side * side);
  const fd = fs.openSync(file);
  const got = fs.readSync(fd, new Uint8Array(pictures.buffer));
  fs.closeSync(fd);
  if (got !== pictures.byteLength) throw new Error(`${file}: ${got} bytes, want at least ${pictures.byteLength}`);
  const feeds = { pictures: new ort.Tensor('float32', pictures, [batch, 3, side, side]) };
  const open = (model) => ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const session = await fastest(models.split(','), open, feeds);
  const infer = async () => (await session.run(feeds)).features.data;

  let features = await infer();
  console.log(`ready ${batch} ONNX Runtime ${version}`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [word, argument] = line.split(' ');
    if (word === 'run') {
      const times = [];
      for (let i = 0; i < Number(argument); i++) {
        const start = process.hrtime.bigint();
        features = await infer();
        times.push(Number(process.hrtime.bigint() - start) / 1e6);
      }
      console.log(['ms', ...times].join(' '));
    } else if (word === 'out') {
      fs.writeFileSync(argument, new Uint8Array(features.buffer, features.byteOffset, features.byteLength));
      console.log('done');
    } else {
      throw new Error(`command ${JSON.stringify(line)}, want run or out`);
    }
  }
}

// fastest opens the graphs one after the other and returns the session whose inference takes the least time.
async function fastest(models, open, feeds) {
  if (models.length === 1) return open(models[0]);
  const costs = [];
  for (const model of models) {
    const session = await open(model);
    let cost = Infinity;
    for (let i = 0; i < 3; i++) { // the first warms it up
      const start = process.hrtime.bigint();
      await session.run(feeds);
      cost = Math.min(cost, Number(process.hrtime.bigint() - start) / 1e6);
    }
    costs.push(cost);
    await session.release();
    console.error(`${model}: ${cost.toFixed(0)} ms`);
  }
  return open(models[costs.indexOf(Math.min(...costs))]);
}

main().catch((err) => {
  console.error(`peer_ort.js: ${err.message}`);
  process.exit(1);
});
