// formulas_test.mjs: the formulas of the report's tour (tools/report/page/why/*.js without DOM) against the program's own:
// `espalier explain PROBLEM.json --json` on random small problems, to 1e-9.
//   node formulas_test.mjs ESPALIER SOURCE_DIR
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import assert from 'node:assert/strict';

const [program, source] = process.argv.slice(2);
globalThis.espalier = {};
for (const file of ['matrix', 'quadratic', 'woodbury'])
  vm.runInThisContext(readFileSync(join(source, `tools/report/page/why/${file}.js`), 'utf8'), { filename: `${file}.js` });
const { quadratic: q, woodbury, matrix } = globalThis.espalier;

let state = 20261121;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
const vector = (n) => Array.from({ length: n }, normal);

const folder = mkdtempSync(join(tmpdir(), 'espalier-'));
function explain(problem) {
  const file = join(folder, 'problem.json');
  writeFileSync(file, JSON.stringify(problem));
  return JSON.parse(execFileSync(program, ['explain', file, '--json'], { encoding: 'utf8' }));
}

let compared = 0;
/** Numbers, lists and lists of lists, against the largest value expected. */
function close(got, expected, what) {
  const a = [got].flat(3),
    b = [expected].flat(3);
  assert.equal(a.length, b.length, `${what}: ${a.length} values, ${b.length} expected`);
  const scale = Math.max(1, ...b.map(Math.abs));
  a.forEach((v, i) => assert.ok(Math.abs(v - b[i]) <= 1e-9 * scale, `${what}[${i}] is ${v}, espalier explain says ${b[i]}`));
  compared += a.length;
}

try {
  for (let trial = 0; trial < 40; ++trial) {
    const d = 2 + (trial % 6),
      n = 1 + ((trial * 7) % 9);
    const rows = Array.from({ length: n }, () => vector(d));
    const lambda = 10 ** (-3 + 4 * uniform()),
      w = vector(d),
      g = vector(d);
    const sets = [[0, 1], Array.from({ length: d }, (_, i) => i).filter(() => uniform() < 0.6)].filter((s) => s.length > 0);
    const expected = explain({ gradients: rows, lambda, weights: w, gradient_vector: g, sets_removed: sets });
    const m = q.model({ w, g, H: q.fisher(rows), lambda });

    close(m.F, expected.F, 'F');
    close(m.inverse, expected.F_inv, 'F^-1');
    close(m.h, expected.F_inv_times_g, 'h');
    close(m.constant, expected.woodtaylor_constant, 'constant');
    close(q.saliency.magnitude(m), expected.rho_magnitude, 'magnitude');
    close(q.saliency.diagonal_fisher(m), expected.rho_diag_fisher_undamped, 'OBD');
    close(q.saliency.obd_damped(m), expected.rho_obd_damped, 'damped OBD');
    close(q.saliency.woodfisher(m), expected.rho_woodfisher, 'WoodFisher');
    close(q.saliency.woodtaylor(m), expected.rho_woodtaylor, 'WoodTaylor');
    assert.deepEqual(q.ranking(q.saliency.woodfisher(m)), expected.ranking_woodfisher_ascending);
    assert.deepEqual(q.ranking(q.saliency.woodtaylor(m)), expected.ranking_woodtaylor_ascending);
    for (const single of expected.single_removals)
      for (const [name, taylor] of [
        ['woodfisher', false],
        ['woodtaylor', true],
      ]) {
        const delta = q.joint(m, [single.removed], taylor);
        close(delta, single[name].delta_w, `${name} without ${single.removed}`);
        close(q.cost(m, delta, taylor), single[name].loss_increase, `${name}'s loss`);
        close(q.setSaliency(m, [single.removed], taylor) + (taylor ? m.constant : 0), single[name].loss_increase, 'rho of one');
      }
    for (const set of expected.set_removals)
      for (const [name, taylor] of [
        ['woodfisher', false],
        ['woodtaylor', true],
      ]) {
        const e = set[name],
          delta = q.joint(m, set.removed, taylor);
        close(delta, e.delta_w, `${name} without {${set.removed}}`);
        close(q.cost(m, delta, taylor), e.loss_increase, 'joint loss');
        close(q.setSaliency(m, set.removed, taylor) + (taylor ? m.constant : 0), e.loss_increase, 'rho of a set');
        close(q.simultaneous(m, set.removed, taylor), e.simultaneous_delta_w, 'simultaneous');
        const zeroed = q.simultaneousZeroed(m, set.removed, taylor);
        close(zeroed, e.simultaneous_then_zeroed_delta_w, 'simultaneous, zeroed');
        close(q.cost(m, zeroed, taylor), e.simultaneous_then_zeroed_loss_increase, 'its loss');
      }

    const steps = woodbury.recursion(rows, lambda);
    close(steps[n].inverse, expected.F_inv, 'the recursion');
    close(woodbury.closedForm(rows, lambda), expected.F_inv, 'the closed form');
    for (let k = 0; k <= n; ++k)
      close(steps[k].inverse, matrix.inverse(woodbury.partialFisher(rows, lambda, k)), `the recursion after ${k} examples`);
  }

  // Two weights by their curvature, as the sliders give it: through rows to the program and back.
  for (let trial = 0; trial < 10; ++trial) {
    const H = q.curvature2(0.1 + 3 * uniform(), 0.1 + 3 * uniform(), -0.95 + 1.9 * uniform());
    const w = vector(2),
      g = vector(2),
      lambda = 0.01 + uniform();
    const expected = explain({ gradients: q.rowsOf(H), lambda, weights: w, gradient_vector: g });
    const m = q.model({ w, g, H, lambda });
    close(m.F, expected.F, 'F by curvature and correlation');
    close(q.saliency.woodtaylor(m), expected.rho_woodtaylor, 'WoodTaylor of two');
  }

  // Twins: the two lowest rho are not the best pair (configs/explain_example.json).
  const example = {
    gradients: [
      [1, 1, 0],
      [1, 1.001, 0],
      [0, 0, 1],
    ],
    lambda: 0.001,
    weights: [1, 1, 0.5],
    gradient_vector: [0, 0, 0],
  };
  const shown = explain(example).exhaustive_k_subsets.find((s) => s.k === 2);
  const m = q.model({ w: example.weights, H: q.fisher(example.gradients), lambda: example.lambda });
  const pairs = q.subsets(3, 2),
    costs = pairs.map((s) => q.setSaliency(m, s));
  assert.deepEqual(pairs[q.lowest(costs)], shown.best_subset);
  assert.deepEqual(q.ranking(q.saliency.woodfisher(m)).slice(0, 2).sort(), shown.lowest_rho_subset);
  console.log(`${compared} numbers agree with espalier explain`);
} finally {
  rmSync(folder, { recursive: true });
}
