// columns_test.mjs: the page reads metrics through the program's declaration of their columns (tools/run/rows.h), which
// every report carries: columns of a kind of row are read, missing ones are undefined, and a name that no such row has
// is an error of the page. No browser is needed.
//   node columns_test.mjs ESPALIER SOURCE_DIR
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import assert from 'node:assert/strict';

const [program, source] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'espalier-'));
const cell = (more) => JSON.stringify({ event: 'cell', criterion: 'woodfisher', inverse: 'block', fisher_block_size: 16, update: 'simultaneous', scope: 'global', ...more });
writeFileSync(join(folder, 'metrics.jsonl'), [
  '{"event":"epoch","epoch":1,"test_accuracy":0.5,"note":"of an older program"}',
  '{"event":"prune","epoch":1,"sub_step":1,"sparsity":0.5,"sparsity.conv1":0.4}',
  cell({ damp: 0.001, target: 0.5, test_accuracy: 0.9 }), cell({ damp: 0.001, target: 0.8, test_accuracy: 0.7 }), cell({ damp: 0.1, target: 0.5, test_accuracy: 0.8 }),
  '{"event":"cell","criterion":"magnitude","scope":"layerwise","target":0.5,"test_accuracy":0.6}',
  '{"event":"unheard of","epoch":3}'].join('\n') + '\n');
execFileSync(program, ['report', folder]);
const page = readFileSync(join(folder, 'report.html'), 'utf8');
const data = page.match(/<script[^>]*id="espalier-data"[^>]*>([^]*?)<\/script>/)[1];
rmSync(folder, { recursive: true });

globalThis.document = { getElementById: () => ({ textContent: data }) };
for (const file of ['page', 'runs'])
  vm.runInThisContext(`${readFileSync(join(source, `tools/report/page/${file}.js`), 'utf8')}\n;globalThis.espalier = espalier;`, { filename: `${file}.js` });
const { events, metrics, runs, about } = globalThis.espalier, [run] = globalThis.espalier.data.runs;

const [epoch] = events(run, 'epoch'), [step] = events(run, 'prune');
assert.equal(epoch.test_accuracy, 0.5);
assert.equal(epoch.train_loss, undefined, 'declared, and missing from this row');
assert.equal(epoch.note, 'of an older program', 'what a file has may be read');
assert.equal(step['sparsity.conv1'], 0.4);
assert.equal(step['predicted.conv1'], undefined);
assert.throws(() => epoch.target, /rows of "epoch" have no column "target"/);
assert.throws(() => step.test_acuracy, /no column "test_acuracy"/);
assert.equal(metrics(run).at(-1).anything, undefined, 'rows of a kind that is not declared are as they are');
assert.match(about('prune', 'measured_loss_change'), /\[nats\]$/);

const groups = runs.cellGroups(run);
assert.deepEqual(groups.map((g) => [g.label, g.damp, g.cells.length]),
  [['woodfisher block 16 λ=1e-3', 0.001, 2], ['woodfisher block 16 λ=0.1', 0.1, 1], ['magnitude layerwise', undefined, 1]]);
console.log('columns_test: ok');
